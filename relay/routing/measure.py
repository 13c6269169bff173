"""Observations: the values that an event has for the user's own metrics. Nothing is kept here."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from relay.code.deadline import TimeLimitExceeded, limited
from relay.errors import ExpressionFailed
from relay.event import Event
from relay.expression.cel import Expression, Scope

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_TEXT = 200  # characters of a label's value
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Kind(StrEnum):
    """How a metric puts its observations together; the words are Prometheus's."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of a route, compiled.

    It observes `value`, or 1 without one, of each event for which `when` holds. With `each`, a
    list, it observes each `item`. A gauge's series for which `remove` holds goes away. `most`
    bounds the number of its series; `buckets` are a histogram's upper bounds, rising.
    """

    name: str
    kind: Kind
    help: str = ""
    value: Expression | None = None
    labels: tuple[tuple[str, Expression], ...] = ()
    when: Expression | None = None
    each: Expression | None = None
    remove: Expression | None = None
    buckets: tuple[float, ...] = DEFAULT_BUCKETS
    most: int = 1000

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels, in the order of an observation's values."""
        return tuple(name for name, _ in self.labels)

    @property
    def uses_body(self) -> bool:
        """Whether any of its expressions reads the body."""
        return any(expression.uses_body for expression in self._expressions)

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its samples in Prometheus's text format."""
        if self.kind is Kind.HISTOGRAM:
            return (self.name, f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The facts that must be the same for two metrics to share their series."""
        return (self.kind, self.label_names, self.buckets if self.kind is Kind.HISTOGRAM else ())

    @property
    def wording(self) -> tuple[Any, ...]:
        """The texts by which it observes: where they are the same, so are its observations."""
        conditions = (self.value, self.when, self.each, self.remove)
        expressions = (*conditions, *dict(self.labels).values())
        sources = (expression.source if expression else None for expression in expressions)
        return (*self.shape, self.most, *sources)

    @property
    def _expressions(self) -> Iterator[Expression]:
        conditions = (self.value, self.when, self.each, self.remove)
        yield from (expression for expression in conditions if expression is not None)
        yield from (expression for _, expression in self.labels)


class Observation(NamedTuple):
    """One value for one series; None says that the series goes away."""

    measure: Measure
    labels: tuple[str, ...]
    value: float | None


class Failure(NamedTuple):
    """An observation that could not be made, and why."""

    measure: Measure
    detail: str


class Observed(NamedTuple):
    """All observations of one event, in the order of the metrics and their items."""

    observations: tuple[Observation, ...] = ()
    failures: tuple[Failure, ...] = ()


def observe(measures: Sequence[Measure], scope: Scope, seconds: float) -> Observed:
    """Return the observations of an event; whatever fails is a Failure, nothing is raised.

    `scope` is that of a stored event. All of it takes `seconds` at most, or a little longer.
    """
    if not measures:
        return Observed()
    run = _Run(measures[0])
    try:
        limited(seconds, run.observe, measures, scope)
    except TimeLimitExceeded:
        run.fail(f"the metrics took over {seconds:g} s")
    except Exception as error:  # noqa: BLE001 - a metric never harms the event
        run.fail(f"{type(error).__name__}: {error}")
    return Observed(tuple(run.observations), tuple(run.failures))


def observe_event(
    measures: Sequence[Measure], event: Event, scope: Scope, seconds: float
) -> Observed:
    """Return the observations of an event that was just received, within `seconds`.

    `scope` is that of its request, but metrics see only the headers that are stored: so a
    restored gauge is the same.
    """
    stored = scope.widened({"headers": event.headers, "query": event.query}).of(event)
    return observe(measures, stored, seconds)


class _Run:
    """The observations of one event so far; `measure` is the one that is under way."""

    def __init__(self, first: Measure) -> None:
        self.measure = first
        self.observations: list[Observation] = []
        self.failures: list[Failure] = []

    def observe(self, measures: Sequence[Measure], scope: Scope) -> None:
        """Add the observations and failures of each measure."""
        for measure in measures:
            self.measure = measure
            try:
                for inner in _scopes(measure, scope):
                    self._observe_item(measure, inner)
            except ExpressionFailed as error:
                self.fail(f"each: {error}")

    def _observe_item(self, measure: Measure, scope: Scope) -> None:
        try:
            observation = _observation(measure, scope)
        except ExpressionFailed as error:
            self.fail(str(error))
        else:
            if observation is not None:
                self.observations.append(observation)

    def fail(self, detail: str) -> None:
        """Add a failure of the measure that is under way."""
        self.failures.append(Failure(self.measure, detail))


def _scopes(measure: Measure, scope: Scope) -> Iterator[Scope]:
    if measure.each is None:
        yield scope
        return
    items = measure.each.value(scope)
    if not isinstance(items, list):
        raise ExpressionFailed(f"a list is needed, this is a {type(items).__name__}")
    for item in items:
        yield scope.widened({"item": item})


def _observation(measure: Measure, scope: Scope) -> Observation | None:
    """Return the observation of an event or of one item; None if `when` does not hold."""
    if measure.when is not None and not _holds("when", measure.when, scope):
        return None
    labels = tuple(_label(name, expression, scope) for name, expression in measure.labels)
    if measure.remove is not None and _holds("remove", measure.remove, scope):
        return Observation(measure, labels, None)
    value = 1.0 if measure.value is None else _number(measure.value, measure.kind, scope)
    return Observation(measure, labels, value)


def _holds(name: str, expression: Expression, scope: Scope) -> bool:
    value = expression.value(scope)
    if not isinstance(value, bool):
        raise ExpressionFailed(f"{name}: true or false is needed, this is a {type(value).__name__}")
    return value


def _label(name: str, expression: Expression, scope: Scope) -> str:
    """Return a label's value in one short line of valid UTF-8, as readers of /metrics need it."""
    try:
        text = _CONTROL.sub(" ", expression.text(scope))[:_MOST_TEXT]
    except ExpressionFailed as error:
        raise ExpressionFailed(f"labels.{name}: {error}") from None
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _number(expression: Expression, kind: Kind, scope: Scope) -> float:
    """Return the value; a time is in seconds since the epoch, a duration in seconds."""
    value = expression.value(scope)
    match value:
        case datetime():
            number = value.timestamp()
        case timedelta():
            number = value.total_seconds()
        case int() | float() if not isinstance(value, bool):
            number = float(value)
        case _:
            raise ExpressionFailed(f"value: a number is needed, this is a {type(value).__name__}")
    if not math.isfinite(number):
        raise ExpressionFailed("value: it is not finite")
    if kind is Kind.COUNTER and number < 0:
        raise ExpressionFailed(f"value: a counter can't fall by {-number:g}")
    return number
