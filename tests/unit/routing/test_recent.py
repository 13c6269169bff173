"""Bodies kept for the first transform: bounded, given away once, and to their own route."""

from dataclasses import replace

import pytest

from relay.routing.recent import RecentBodies
from relay.routing.route import Route
from tests.unit.routing.routes import route

ROUTE = route()


@pytest.fixture
def bodies() -> RecentBodies:
    """Return room for three events of ten bytes."""
    return RecentBodies(largest=10, together=30)


def kept(bodies: RecentBodies, made_by: Route = ROUTE) -> list[int]:
    """Return which of five events have a body; asking gives each away."""
    return [seq for seq in range(1, 6) if bodies.claim(made_by, seq) is not None]


def test_body_is_given_away_once(bodies: RecentBodies) -> None:
    """A second transform reads the bytes: it must not see what the first changed."""
    bodies.keep(ROUTE, 1, 10, {"a": 1})
    assert bodies.claim(ROUTE, 1) == {"a": 1}
    assert bodies.claim(ROUTE, 1) is None


def test_body_is_for_the_route_that_made_it(bodies: RecentBodies) -> None:
    """After a reload the model may be another, even where all of the route is equal."""
    bodies.keep(ROUTE, 1, 10, {"a": 1})
    assert bodies.claim(replace(ROUTE), 1) is None
    assert bodies.claim(ROUTE, 1) is None


def test_oldest_make_room(bodies: RecentBodies) -> None:
    """However many events come, those kept have no more bytes than allowed."""
    for seq in range(1, 6):
        bodies.keep(ROUTE, seq, 10, "body")
    assert kept(bodies) == [3, 4, 5]
    for seq in range(1, 4):
        bodies.keep(ROUTE, seq, 10, "body")
    assert kept(bodies) == [1, 2, 3]


def test_large_body_is_not_kept(bodies: RecentBodies) -> None:
    """Nor does it make others go: one sender's large events cost the small ones nothing."""
    bodies.keep(ROUTE, 1, 10, "body")
    bodies.keep(ROUTE, 2, 11, "body")
    assert kept(bodies) == [1]


def test_event_that_is_kept_twice_counts_once(bodies: RecentBodies) -> None:
    """The bytes of the first are free again."""
    for _ in range(7):
        bodies.keep(ROUTE, 1, 10, "body")
    bodies.keep(ROUTE, 2, 10, "body")
    bodies.keep(ROUTE, 3, 10, "body")
    assert kept(bodies) == [1, 2, 3]
