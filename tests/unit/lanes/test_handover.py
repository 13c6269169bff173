"""What an event owes, on its way to the lanes."""

from collections.abc import Mapping
from typing import Any, cast

from relay.event import Delivery, Event, Owed
from relay.lanes.handover import Handover, hand_over
from relay.lanes.partitions import AnyLane

BODY = b'{"a": 1}'
EVENT = Event(1, "evt_1", "in", "", "", "", "", 1_700_000_000.0, {}, {}, BODY)
OWED = (
    Owed("plain", "a"),
    Owed("first", "a"),
    Owed("second", "a"),
    Owed("turn", "a", ordered=True),
)


class Lane:
    """Notes what is asked of it, and has room for so many bytes at a time."""

    partitions = 1

    def __init__(self, room: int) -> None:
        self.room = room
        self.reserved: list[tuple[str, int]] = []
        self.told: list[tuple[str, Any]] = []

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


def handed(lane: Lane) -> Handover:
    lanes = cast("Mapping[str, AnyLane]", {"a": lane})
    return hand_over(EVENT, OWED, lanes, token=7)


def test_each_place_is_reserved_once() -> None:
    """With the bytes of the body; ordered deliveries have none."""
    lane = Lane(1000)
    assert handed(lane).held == (True, True, True, False)
    assert lane.reserved == [(name, len(BODY)) for name in ("plain", "first", "second")]


def test_deliveries_without_room_wait_in_the_store() -> None:
    """A lane that is full holds none of them."""
    assert handed(Lane(0)).held == (False,) * 4


def test_lanes_learn_what_became_of_it() -> None:
    """Once it is on disk: what is in memory is handed over, of the rest it is said since when it waits. Else: let go."""
    lane = Lane(1000)
    made = handed(lane)
    made.committed()
    names = [one.forward for one in OWED]
    assert lane.told == [*(("hand", name) for name in names[:3]), ("wake", made.since)]
    lane.told.clear()
    made.released()
    assert lane.told == [("release", name) for name in names]
