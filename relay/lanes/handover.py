"""An accepted event's deliveries, on their way through the disk to the lanes.

`hand_over` reserves their places in memory before the commit. Then the store calls `committed`, or
`withdrawn` if nothing was stored.
"""

from collections.abc import Mapping
from typing import NamedTuple

from relay.clock import Steady, steady
from relay.event import Delivery, Event, Owed
from relay.lanes.lane import Lane
from relay.lanes.partitions import Partitions, assign


class Handover(NamedTuple):
    """An event's deliveries, each with its lane; `owed` is how the store writes them down.

    `held[n]` says that delivery n has a place in memory; the others are found in the store, where
    they are due since `since`.
    """

    lanes: list[Lane]
    deliveries: list[Delivery]
    owed: tuple[Owed, ...]
    held: tuple[bool, ...]
    since: Steady

    def committed(self) -> None:
        """Give the lanes their deliveries: they are on disk."""
        for lane, delivery, in_memory in zip(self.lanes, self.deliveries, self.held, strict=True):
            if in_memory:
                lane.hand(delivery)
            else:
                lane.wake(self.since)

    def withdrawn(self) -> None:
        """Give the reserved places back: nothing was stored."""
        for lane, delivery in zip(self.lanes, self.deliveries, strict=True):
            lane.give_back(delivery)


def hand_over(event: Event, owed: tuple[Owed, ...], targets: Mapping[str, Partitions]) -> Handover:
    """Reserve places in memory for an event's deliveries, as far as their lanes have room."""
    since = steady()
    owed = assign(owed, event, targets)
    lanes: list[Lane] = []
    deliveries: list[Delivery] = []
    held: list[bool] = []
    size = len(event.raw)
    for n, (forward, target, ordered, partition) in enumerate(owed):
        lane = targets[target].lanes[partition]
        delivery = Delivery(event, n, forward, target, 0, since, lane.token, "", partition)
        lanes.append(lane)
        deliveries.append(delivery)
        # Ordered deliveries wait for their turn in the store, which knows those before them.
        held.append(not ordered and lane.reserve(delivery, size))
    return Handover(lanes, deliveries, owed, tuple(held), since)
