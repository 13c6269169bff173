"""What an event owes, on its way to the lanes by way of the disk: handed over once it is committed, released if it is not."""

from collections.abc import Mapping
from typing import NamedTuple

from relay.clock import steady
from relay.event import Delivery, Event, Owed
from relay.lanes.partitions import AnyLane, assigned


class Handover(NamedTuple):
    """Deliveries and their lanes. `held` says which are in memory already; the others are found in the store, since `since`."""

    lanes: list[AnyLane]
    deliveries: list[Delivery]
    owed: tuple[Owed, ...]
    held: tuple[bool, ...]
    since: float

    def committed(self) -> None:
        """Give the lanes what is on disk now."""
        for lane, delivery, in_memory in zip(self.lanes, self.deliveries, self.held, strict=True):
            if in_memory:
                lane.hand(delivery)
            else:
                lane.wake(self.since)

    def released(self) -> None:
        """Give the places back that were kept."""
        for lane, delivery in zip(self.lanes, self.deliveries, strict=True):
            lane.release(delivery)


def hand_over(
    event: Event, owed: tuple[Owed, ...], lanes: Mapping[str, AnyLane], token: int
) -> Handover:
    """Reserve places in memory for what an event owes; `token` is that of the process that holds them."""
    since = steady()
    owed = assigned(owed, event, lanes)
    theirs: list[AnyLane] = []
    deliveries: list[Delivery] = []
    held: list[bool] = []
    for n, one in enumerate(owed):
        lane = lanes[one.target]
        delivery = Delivery(event, n, one.forward, one.target, 0, since, token, "", one.partition)
        theirs.append(lane)
        deliveries.append(delivery)
        # Ordered deliveries wait for their turn in the store, which knows which go before them.
        held.append(not one.ordered and lane.reserve(delivery, len(event.raw)))
    return Handover(theirs, deliveries, owed, tuple(held), since)
