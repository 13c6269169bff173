"""A route's series."""

from relay.metrics.by_route import RouteCounters
from relay.metrics.series import Metrics
from relay.routing.route import Filtered, ForwardOutcome, Route

SKIPPED, OWED = ForwardOutcome.SKIPPED, ForwardOutcome.OWED


def test_what_forwards_said_is_counted_each_time_and_kept_if_it_comes_again() -> None:
    """Answers that are one event's alone leave nothing behind; those that a route gives again are added up once."""
    metrics = Metrics()
    counters = RouteCounters(metrics, Route("in", "/in/in", {}, ()))
    said = (
        ("f", "a", OWED, ""),
        ("g", "a", SKIPPED, ""),
        ("h", "a", SKIPPED, ""),
        ("i", "b", OWED, ""),
    )
    lasting = Filtered((), said, lasts=True)
    for _ in range(3):
        counters.forwards(lasting)
    for _ in range(100):
        counters.forwards(Filtered((), said))
    assert len(counters._said) == 1
    for target, outcome, count in (("a", OWED, 103), ("a", SKIPPED, 206), ("b", OWED, 103)):
        assert metrics.forwards.labels("in", target, outcome.value).value == count
