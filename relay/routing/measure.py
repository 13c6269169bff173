"""What an event says about the user's own metrics: observations, decided from its payload. Nothing is kept here."""

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
    """What a metric does with its observations; the words are Prometheus's."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of a route, compiled: what it observes of which event.

    Without `value` it is 1. With `each`, a list, it observes each `item`. A gauge's series for which `remove` holds
    goes away. `most` bounds its series; `buckets` are a histogram's upper bounds, rising.
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
        """The labels' names, in the order of an observation's values."""
        return tuple(name for name, _ in self.labels)

    @property
    def uses_body(self) -> bool:
        """Whether any of its expressions reads the body."""
        return any(expression.uses_body for expression in self._expressions)

    @property
    def samples(self) -> tuple[str, ...]:
        """Every name under which Prometheus sees it."""
        if self.kind is Kind.HISTOGRAM:
            return (self.name, f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
        return (self.name,)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What must be the same for old and new observations to go into the same series."""
        return (self.kind, self.label_names, self.buckets if self.kind is Kind.HISTOGRAM else ())

    @property
    def wording(self) -> tuple[Any, ...]:
        """All that decides what it observes."""
        conditions = (self.value, self.when, self.each, self.remove)
        sources = (
            made.source if made else None for made in (*conditions, *dict(self.labels).values())
        )
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
    """All that one event says, in the order of the metrics and their items."""

    observations: tuple[Observation, ...] = ()
    failures: tuple[Failure, ...] = ()


NOTHING = Observed()


def observe(measures: Sequence[Measure], scope: Scope, seconds: float) -> Observed:
    """Return what an event says about `measures`, within `seconds`; whatever fails is in the answer, none is raised."""
    made: list[Observation] = []
    failed: list[Failure] = []
    begun: list[Measure] = []
    try:
        limited(seconds, _take, measures, scope, begun, made, failed)
    except TimeLimitExceeded:
        failed.append(Failure(begun[-1], f"the metrics took over {seconds:g} s"))
    except Exception as error:  # noqa: BLE001 - a metric never harms the event
        failed.append(Failure(begun[-1], f"{type(error).__name__}: {error}"))
    return Observed(tuple(made), tuple(failed))


def observe_event(
    measures: Sequence[Measure], event: Event, scope: Scope, seconds: float
) -> Observed:
    """Return what a new event says about `measures`; `scope` is that of its request.

    Of its headers they see only those that are stored: a gauge that is restored is the same.
    """
    stored = scope.widened({"headers": event.headers, "query": event.query}).of(event)
    return observe(measures, stored, seconds)


def _take(
    measures: Sequence[Measure],
    scope: Scope,
    begun: list[Measure],
    made: list[Observation],
    failed: list[Failure],
) -> None:
    """Add the observations of each measure, and what failed; `begun` tells how far it came."""
    for measure in measures:
        begun.append(measure)
        try:
            for inner in _scopes(measure, scope):
                try:
                    made += _one(measure, inner)
                except ExpressionFailed as error:
                    failed.append(Failure(measure, str(error)))
        except ExpressionFailed as error:
            failed.append(Failure(measure, f"each: {error}"))


def _scopes(measure: Measure, scope: Scope) -> Iterator[Scope]:
    if measure.each is None:
        yield scope
        return
    items = measure.each.value(scope)
    if not isinstance(items, list):
        raise ExpressionFailed(f"a list is needed, this is a {type(items).__name__}")
    for item in items:
        yield scope.widened({"item": item})


def _one(measure: Measure, scope: Scope) -> Iterator[Observation]:
    if measure.when is not None and not _yes("when", measure.when, scope):
        return
    labels = tuple(_label(name, expression, scope) for name, expression in measure.labels)
    if measure.remove is not None and _yes("remove", measure.remove, scope):
        yield Observation(measure, labels, None)
        return
    yield Observation(measure, labels, 1.0 if measure.value is None else _number(measure, scope))


def _yes(name: str, expression: Expression, scope: Scope) -> bool:
    value = expression.value(scope)
    if not isinstance(value, bool):
        raise ExpressionFailed(f"{name}: true or false is needed, this is a {type(value).__name__}")
    return value


def _label(name: str, expression: Expression, scope: Scope) -> str:
    """Return a label's value as any reader of /metrics can take it."""
    try:
        text = _CONTROL.sub(" ", expression.text(scope))[:_MOST_TEXT]
    except ExpressionFailed as error:
        raise ExpressionFailed(f"labels.{name}: {error}") from None
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _number(measure: Measure, scope: Scope) -> float:
    """Return the value; a time is seconds since the epoch, a duration is seconds."""
    assert measure.value is not None
    value = measure.value.value(scope)
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
    if measure.kind is Kind.COUNTER and number < 0:
        raise ExpressionFailed(f"value: a counter can't fall by {-number:g}")
    return number
