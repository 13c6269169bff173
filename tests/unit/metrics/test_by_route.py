"""A route's series."""

from relay.expression.cel import Expression, Scope
from relay.metrics.by_route import RouteCounters
from relay.metrics.series import Metrics
from relay.routing.choose import ForwardOutcome, choose
from relay.routing.route import Forward, Route
from tests.unit.routing.routes import event

SKIPPED, OWED = ForwardOutcome.SKIPPED, ForwardOutcome.OWED


def test_decisions_of_forwards_are_counted_by_target_and_outcome() -> None:
    """Each decision about each event counts one, whether two choices are one object or two."""
    metrics = Metrics()
    no = Expression("false")
    forwards = (
        Forward("f", "a"),
        Forward("g", "a", when=no),
        Forward("h", "a", when=no),
        Forward("i", "b"),
    )
    counters = RouteCounters(metrics, Route("in", "/in/in", {}, forwards))
    again = choose(forwards, event(), Scope({}), ())
    for _ in range(3):
        counters.forwards(again)
    for _ in range(100):
        counters.forwards(choose(forwards, event(), Scope({}), ()))
    for target, outcome, count in (("a", OWED, 103), ("a", SKIPPED, 206), ("b", OWED, 103)):
        series = metrics.forwards.labels("in", target, outcome.value)
        assert series.value == count, (target, outcome)
