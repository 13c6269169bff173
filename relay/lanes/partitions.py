"""A hot target divided into lanes: each has its own queue, workers, connections, rate and breaker.

All events of a key go into one partition, so that what is slow or throttled for some keys holds up only those
that share it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from relay.delivery.breaker import BreakerState
from relay.event import Delivery, Event, Owed, partition_of
from relay.lanes.lane import Lane
from relay.targets.target import LaneOptions, Target


class Partitions:
    """The lanes of one target; to those who call it, they are one."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        for lane in lanes:
            lane.on_gone = self.pause

    @property
    def partitions(self) -> int:
        """How many lanes there are."""
        return len(self._lanes)

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Keep a place in memory for a delivery that is about to be committed, if there is one."""
        return self._lanes[delivery.partition].reserve(delivery, size)

    def release(self, delivery: Delivery) -> None:
        """Give a reserved place back."""
        self._lanes[delivery.partition].release(delivery)

    def hand(self, delivery: Delivery) -> None:
        """Take a delivery that was committed into its reserved place."""
        self._lanes[delivery.partition].hand(delivery)

    def wake(self, due: float) -> None:
        """Learn that something waits in the store from `due` on."""
        for lane in self._lanes:
            lane.wake(due)

    def change(self, options: LaneOptions, make_sender: Callable[[], Target]) -> None:
        """Go on with other options, and with senders that are made for each lane."""
        for lane in self._lanes:
            lane.change(options, make_sender)

    def pause(self) -> None:
        """Start no attempt until `resume`."""
        for lane in self._lanes:
            lane.pause()

    def resume(self) -> None:
        """Go on, at once."""
        for lane in self._lanes:
            lane.resume()

    @property
    def paused(self) -> bool:
        """Whether the target is stopped."""
        return self._lanes[0].paused

    @property
    def breaker_state(self) -> BreakerState:
        """How the breaker of the lane that is worst off stands."""
        return max(lane.breaker_state for lane in self._lanes)

    @property
    def in_memory(self) -> int:
        """How many deliveries are in memory only."""
        return sum(lane.in_memory for lane in self._lanes)

    def oldest_in_memory(self, now: float) -> float:
        """Return the age in seconds of the oldest delivery in memory; 0 if there is none."""
        return max(lane.oldest_in_memory(now) for lane in self._lanes)

    async def run(self) -> None:
        """Feed all queues from the store until cancelled."""
        await asyncio.gather(*(lane.run() for lane in self._lanes))

    async def stop(self, grace: float) -> None:
        """Stop all lanes within the grace time."""
        await asyncio.gather(*(lane.stop(grace) for lane in self._lanes))

    async def remove(self, grace: float) -> None:
        """Stop all lanes for good."""
        await asyncio.gather(*(lane.remove(grace) for lane in self._lanes))


AnyLane = Lane | Partitions


def assigned(
    owed: tuple[Owed, ...], event: Event, lanes: Mapping[str, AnyLane]
) -> tuple[Owed, ...]:
    """Return what an event owes with the partition of each delivery whose target is divided."""
    for one in owed:
        if lanes[one.target].partitions > 1:
            break
    else:
        return owed
    return tuple(
        one._replace(partition=partition_of(event.key, event.id, lanes[one.target].partitions))
        for one in owed
    )
