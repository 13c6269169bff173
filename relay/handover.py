"""What an event owes, on its way to the lanes by way of the disk: handed over once it is committed, released if it is not."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from relay.clock import steady
from relay.event import Delivery, Event, Owed
from relay.partitions import AnyLane, assigned
from relay.route import Route

_DECODED = 10  # times the body that a decoded payload may take
_NONE: frozenset[str] = frozenset()


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
    route: Route, event: Event, owed: tuple[Owed, ...], payload: Any, lanes: Mapping[str, AnyLane], token: int
) -> Handover:
    """Keep places for what an event owes; `payload` is its decoded body, `token` that of who holds it."""
    since = steady()
    owed = assigned(owed, event, lanes)
    transforming = route.transforming if payload is not None else _NONE
    theirs: list[AnyLane] = []
    deliveries: list[Delivery] = []
    held: list[bool] = []
    for n, one in enumerate(owed):
        lane = lanes[one.target]
        delivery = Delivery(event, n, one.forward, one.target, 0, since, token, "", one.partition)
        # What is ordered waits for its turn in the store, which knows who is before it.
        holds = False
        if not one.ordered:
            if one.forward in transforming:
                # The first that needs the payload gets it, if it is sent soon: no other, since a transform may
                # change what it gets; and memory keeps the bytes alone, which can be a tenth of the payload.
                transforming = _NONE
                holds = lane.is_prompt(delivery) and lane.reserve(delivery, len(event.body) * _DECODED)
                if holds:
                    delivery = delivery._replace(event=event._replace(payload=payload))
            holds = holds or lane.reserve(delivery, len(event.body))
        theirs.append(lane)
        deliveries.append(delivery)
        held.append(holds)
    return Handover(theirs, deliveries, owed, tuple(held), since)
