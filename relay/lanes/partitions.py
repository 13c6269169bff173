"""The lanes of one target: nearly always one, of a hot target one for each of its partitions.

All events of a key go into one partition, so that keys that are slow or throttled hold up only
those that share it. Each lane has its own queue, workers, connections, rate and breaker.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from relay.clock import Steady
from relay.delivery.breaker import BreakerState
from relay.event import Event, Owed, partition_of
from relay.lanes.lane import Lane
from relay.targets.target import LaneOptions, Target


class Partitions:
    """A target as its operators and the store know it; `lanes` has the lane of each partition."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        for lane in lanes:
            lane.on_gone = self.pause

    def wake(self, due: Steady) -> None:
        """Learn that a delivery is due in the store from `due` on, in any partition."""
        for lane in self.lanes:
            lane.wake(due)

    def change(self, options: LaneOptions, open_target: Callable[[], Target]) -> None:
        """Go on with other options; each lane opens the target anew."""
        for lane in self.lanes:
            lane.change(options, open_target)

    def pause(self) -> None:
        """Begin no attempt until `resume`."""
        for lane in self.lanes:
            lane.pause()

    def resume(self) -> None:
        """Go on, at once."""
        for lane in self.lanes:
            lane.resume()

    @property
    def paused(self) -> bool:
        """Whether the target is stopped."""
        return self.lanes[0].paused

    @property
    def breaker_state(self) -> BreakerState:
        """How the breaker of the lane that is worst off stands."""
        return max(lane.breaker_state for lane in self.lanes)

    @property
    def in_memory(self) -> int:
        """How many deliveries are in memory only."""
        return sum(lane.in_memory for lane in self.lanes)

    def oldest_in_memory(self, now: Steady) -> float:
        """Return the age in seconds of the oldest delivery in memory; 0 if there is none."""
        return max(lane.oldest_in_memory(now) for lane in self.lanes)

    async def run(self) -> None:
        """Feed all queues from the store until cancelled."""
        await asyncio.gather(*(lane.run() for lane in self.lanes))

    async def stop(self, grace: float) -> None:
        """Stop all lanes; attempts in flight have `grace` seconds to end."""
        await asyncio.gather(*(lane.stop(grace) for lane in self.lanes))

    async def remove(self, grace: float) -> None:
        """Stop all lanes for good; attempts in flight have `grace` seconds to end."""
        await asyncio.gather(*(lane.remove(grace) for lane in self.lanes))


def assign(
    owed: tuple[Owed, ...], event: Event, targets: Mapping[str, Partitions]
) -> tuple[Owed, ...]:
    """Return an event's deliveries, each with its partition where its target is divided."""
    for delivery in owed:
        if len(targets[delivery.target].lanes) > 1:
            break
    else:
        return owed
    return tuple(
        delivery._replace(
            partition=partition_of(event.key, event.id, len(targets[delivery.target].lanes))
        )
        for delivery in owed
    )
