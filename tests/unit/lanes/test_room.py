"""Memory that lanes share: never more than there is, and all of it back in the end."""

from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Steady, Wall
from relay.event import Delivery, Event
from relay.lanes.room import OVERHEAD, Places, Room

START = Steady(1_000_000.0)


def delivery(seq: int, n: int = 0, since: Steady = START) -> Delivery:
    event = Event(seq, f"evt_{seq}", "in", "", "", "", "", Wall(1_700_000_000.0), {}, {}, b"")
    return Delivery(event, n, "hook", "hook", 0, since, 7)


def test_a_place_costs_its_body_and_the_overhead() -> None:
    """A body that fits to the byte has room; one byte more has none."""
    room = Room(OVERHEAD + 100)
    assert not Places(room).reserve(delivery(1), 101)
    assert Places(room).reserve(delivery(1), 100)
    assert room.free == 0


def test_lanes_share_the_room() -> None:
    """A place that one lane gives back is there for another."""
    room = Room(OVERHEAD)
    first, second = Places(room), Places(room)
    assert first.reserve(delivery(1), 0)
    assert not second.reserve(delivery(2), 0)
    first.give_back(delivery(1))
    assert second.reserve(delivery(2), 0)


def test_the_oldest_is_the_one_that_came_first() -> None:
    """Its age counts; without any the age is 0, as for one from a clock that is ahead."""
    places = Places(Room(10 * OVERHEAD))
    assert places.oldest(START) == 0
    for seq in range(3):
        places.reserve(delivery(seq, since=Steady(START + seq)), 0)
    assert places.oldest(Steady(START + 10)) == 10
    places.give_back(delivery(0))
    assert places.oldest(Steady(START + 10)) == 9
    assert places.oldest(START) == 0


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 2), st.integers(0, 9000)),
        max_size=60,
    )
)
def test_nothing_of_the_room_is_lost(steps: list[tuple[bool, int, int, int]]) -> None:
    """Whatever is reserved and given back, even twice: room and places make up all of it."""
    capacity = 4 * OVERHEAD
    room = Room(capacity)
    places = Places(room)
    kept: dict[tuple[int, int], int] = {}
    for reserves, seq, n, size in steps:
        key = (seq, n)
        if reserves and key not in kept:
            if places.reserve(delivery(seq, n), size):
                kept[key] = size + OVERHEAD
        elif not reserves:
            places.give_back(delivery(seq, n))
            kept.pop(key, None)
        assert room.free == capacity - sum(kept.values())
        assert room.free >= 0
        assert len(places) == len(kept)
        assert (delivery(seq, n) in places) is (key in kept)
