"""An event's deliveries on their way to the lanes."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from relay.clock import Wall
from relay.event import Delivery, Event, Owed, partition_of
from relay.lanes.handover import Handover, hand_over
from relay.lanes.partitions import Partitions

BODY = b'{"a": 1}'
EVENT = Event(1, "evt_1", "in", "", "", "", "", Wall(1_700_000_000.0), {}, {}, BODY)
OWED = (
    Owed("plain", "a"),
    Owed("first", "a"),
    Owed("second", "a"),
    Owed("turn", "a", ordered=True),
)


class Lane:
    """Notes the calls that it gets, and has room for so many bytes at a time."""

    def __init__(self, room: int, token: int = 7) -> None:
        self.room = room
        self.token = token
        self.reserved: list[tuple[str, int]] = []
        self.calls: list[tuple[str, Any]] = []

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Reserve a place if the body fits."""
        if size <= self.room:
            self.reserved.append((delivery.forward, size))
        return size <= self.room

    def hand(self, delivery: Delivery) -> None:
        """Note it."""
        self.calls.append(("hand", delivery.forward))

    def wake(self, due: float) -> None:
        """Note it."""
        self.calls.append(("wake", due))

    def give_back(self, delivery: Delivery) -> None:
        """Note it."""
        self.calls.append(("give_back", delivery.forward))


def handed(*lanes: Lane) -> Handover:
    target = SimpleNamespace(lanes=lanes)
    return hand_over(EVENT, OWED, cast("Mapping[str, Partitions]", {"a": target}))


def test_each_place_is_reserved_once() -> None:
    """With the bytes of the body; ordered deliveries have none."""
    lane = Lane(1000)
    assert handed(lane).held == (True, True, True, False)
    assert lane.reserved == [(name, len(BODY)) for name in ("plain", "first", "second")]


def test_deliveries_without_room_wait_in_the_store() -> None:
    """A lane that is full holds none of them."""
    assert handed(Lane(0)).held == (False,) * 4


def test_a_lane_gets_what_was_committed() -> None:
    """Deliveries in memory are handed to it; of the others it learns since when they are due."""
    lane = Lane(1000)
    handover = handed(lane)
    handover.committed()
    handed_over = [("hand", name) for name in ("plain", "first", "second")]
    assert lane.calls == [*handed_over, ("wake", handover.since)]


def test_a_lane_gets_its_places_back_if_nothing_was_stored() -> None:
    """Of each delivery, whether it had one or not."""
    lane = Lane(1000)
    handed(lane).withdrawn()
    assert lane.calls == [("give_back", owed.forward) for owed in OWED]


def test_deliveries_of_a_divided_target_are_their_partitions() -> None:
    """All of an event go to the lane of its key, which has the others' neither place nor token."""
    lanes = [Lane(1000, token=n) for n in range(5)]
    handover = handed(*lanes)
    partition = partition_of(EVENT.key, EVENT.id, len(lanes))
    assert {owed.partition for owed in handover.owed} == {partition}
    assert {delivery.partition for delivery in handover.deliveries} == {partition}
    assert {delivery.token for delivery in handover.deliveries} == {partition}
    assert [len(lane.reserved) for lane in lanes] == [
        3 if n == partition else 0 for n in range(len(lanes))
    ]
