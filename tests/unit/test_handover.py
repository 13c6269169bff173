"""What an event owes, on its way to the lanes."""

from collections.abc import Mapping
from typing import Any, cast

from relay.event import Delivery, Event, Owed
from relay.handover import Handover, hand_over
from relay.partitions import AnyLane
from relay.route import Route

BODY = b'{"a": 1}'
EVENT = Event(1, "evt_1", "in", "", "", "", "", 1_700_000_000.0, {}, {}, BODY)
OWED = (Owed("plain", "a"), Owed("first", "a"), Owed("second", "a"), Owed("turn", "a", ordered=True))
ROUTE = Route("in", "/in/in", {}, (), transforming=frozenset({"first", "second", "turn"}))


class Lane:
    """Notes what is asked of it, and has room for so many bytes at a time."""

    partitions = 1

    def __init__(self, room: int, *, prompt: bool = True) -> None:
        self.room, self.prompt = room, prompt
        self.reserved: list[tuple[str, int]] = []
        self.told: list[tuple[str, Any]] = []

    def is_prompt(self, _delivery: Delivery) -> bool:
        """Say what it was made to say."""
        return self.prompt

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Take what fits."""
        if size <= self.room:
            self.reserved.append((delivery.forward, size))
        return size <= self.room

    def hand(self, delivery: Delivery) -> None:
        """Note it."""
        self.told.append(("hand", delivery.forward))

    def wake(self, due: float) -> None:
        """Note it."""
        self.told.append(("wake", due))

    def release(self, delivery: Delivery) -> None:
        """Note it."""
        self.told.append(("release", delivery.forward))


def handed(lane: Lane, payload: Any) -> Handover:
    lanes = cast("Mapping[str, AnyLane]", {"a": lane})
    return hand_over(ROUTE, EVENT, OWED, payload, lanes, token=7)


def test_first_that_needs_the_payload_alone_gets_it() -> None:
    """And each place is kept once: the payload's counts as ten bodies, what is ordered has none."""
    lane, payload = Lane(1000), {"a": 1}
    made = handed(lane, payload)
    assert [delivery.event.payload for delivery in made.deliveries] == [None, payload, None, None]
    assert lane.reserved == [("plain", len(BODY)), ("first", len(BODY) * 10), ("second", len(BODY))]
    assert made.held == (True, True, True, False)


def test_payload_is_decoded_again_where_it_would_have_to_wait() -> None:
    """In a lane that is busy, or without room for it: then the body alone is kept, if that fits."""
    for lane in (Lane(1000, prompt=False), Lane(len(BODY))):
        made = handed(lane, {"a": 1})
        assert {delivery.event.payload for delivery in made.deliveries} == {None}
        assert lane.reserved == [(name, len(BODY)) for name in ("plain", "first", "second")]
    full = Lane(0)
    assert handed(full, {"a": 1}).held == (False,) * 4


def test_lanes_learn_what_became_of_it() -> None:
    """Once it is on disk: what is in memory is handed over, of the rest it is said since when it waits. Else: let go."""
    lane = Lane(1000)
    made = handed(lane, None)
    made.committed()
    names = [one.forward for one in OWED]
    assert lane.told == [*(("hand", name) for name in names[:3]), ("wake", made.since)]
    lane.told.clear()
    made.released()
    assert lane.told == [("release", name) for name in names]
