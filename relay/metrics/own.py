"""The user's own series: kept, bounded, shown to Prometheus; gauges are what the store says, restored from it.

Of a gauge, the last event in the order of acceptance decides. `Restoring` is that order replayed from the store,
aside, while the relay goes on: once the store has no more, what came meanwhile is added, and it takes the
place of the series so far. A gauge that was not restored yet has no series: better none than wrong ones.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from relay.routing.measure import Kind, Measure, Observation, Observed
from relay.routing.route import Route

Labels = tuple[str, ...]
Table = dict[
    Labels, tuple[float, ...]
]  # a value; of a histogram the counts by bucket, then the sum
_log = structlog.get_logger("relay.metrics.series")


def put(table: Table, measure: Measure, labels: Labels, value: float | None) -> bool:
    """Take an observation into a table of series; tell whether it had room."""
    if value is None:
        table.pop(labels, None)
        return True
    before = table.get(labels)
    if before is None and len(table) >= measure.most:
        return False
    match measure.kind:
        case Kind.GAUGE:
            table[labels] = (value,)
        case Kind.COUNTER:
            table[labels] = ((before or (0.0,))[0] + value,)
        case Kind.HISTOGRAM:
            counts = list(before or _empty(measure))
            place = next((n for n, bound in enumerate(measure.buckets) if value <= bound), -2)
            counts[place] += 1
            counts[-1] += value
            table[labels] = tuple(counts)
    return True


@dataclass(slots=True)
class _State:
    """A metric's series as they stand; `ready` says that they may be shown."""

    route: str
    measure: Measure
    table: Table
    ready: bool
    full: bool = False


@dataclass(slots=True)
class Restoring:
    """A route's gauges, made anew from its events in the order of acceptance."""

    route: str
    tables: dict[str, Table]
    measures: tuple[Measure, ...]
    last: int = 0
    came: list[tuple[int, Observation]] = field(default_factory=list)

    def forget(self) -> None:
        """Drop what came until now: it has been committed, and the store is about to be read."""
        self.came.clear()

    def take(self, seq: int, observations: Iterable[Observation]) -> list[Measure]:
        """Take what the next event says; return the metrics that had no room for it."""
        self.last = seq
        return [
            one.measure
            for one in observations
            if one.measure.name in self.tables
            and not put(self.tables[one.measure.name], one.measure, one.labels, one.value)
        ]


class PayloadMetrics(Collector):
    """All series of all routes' own metrics. `unrestored` are the routes whose gauges wait for the store."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.errors = Counter(
            "relay_metric_errors",
            "Observations that could not be made of an event.",
            ("route", "metric"),
            registry=registry,
        )
        self.refused = Counter(
            "relay_metric_series_refused",
            "Observations for which the metric had no room: it has as many series as it may.",
            ("route", "metric"),
            registry=registry,
        )
        self.unrestored: dict[str, None] = {}
        self.wanted: Callable[[], None] = lambda: None
        self._states: dict[str, _State] = {}
        self._restoring: dict[str, Restoring] = {}
        registry.register(self)

    def fit(self, routes: Mapping[str, Route]) -> None:
        """Show these routes' metrics from now on; series stay where kind, labels and buckets are the same.

        A gauge that is new, or that observes something else than before, is restored from the store.
        """
        states: dict[str, _State] = {}
        stale: dict[str, None] = {}
        for route in routes.values():
            for measure in route.measures:
                self.errors.labels(route.name, measure.name)
                self.refused.labels(route.name, measure.name)
                state = self._states.get(measure.name)
                if (
                    state is not None
                    and state.route == route.name
                    and _goes_on(state.measure, measure)
                ):
                    state.measure = measure
                else:
                    state = _State(
                        route.name, measure, _start(measure), measure.kind is not Kind.GAUGE
                    )
                if not state.ready:
                    stale[route.name] = None
                states[measure.name] = state
        self._states = states
        self._restoring = {name: one for name, one in self._restoring.items() if name not in stale}
        self.unrestored = {name: None for name in (*self.unrestored, *stale) if name in routes}
        self.wanted()

    def observe(self, route: str, seq: int, said: Observed) -> None:
        """Take what an event says that was just committed; calls come in the order of commits."""
        for failure in said.failures:
            self.errors.labels(route, failure.measure.name).inc()
            _log.warning(
                "metric_failed", route=route, metric=failure.measure.name, detail=failure.detail
            )
        for one in said.observations:
            self._take(route, seq, one)

    def release(self, route: str, seq: int, said: Observed) -> None:
        """Take what an event says that has left quarantine: for gauges it stands in the order of acceptance."""
        gauges = [one for one in said.observations if one.measure.kind is Kind.GAUGE]
        others = [one for one in said.observations if one.measure.kind is not Kind.GAUGE]
        self.observe(route, seq, Observed(tuple(others), said.failures))
        if gauges:
            self._want(route)

    def begin(self, route: Route) -> Restoring:
        """Begin to make a route's gauges anew; what is observed from now on is remembered for them."""
        self.unrestored.pop(route.name, None)
        gauges = tuple(one for one in route.measures if one.kind is Kind.GAUGE)
        made = Restoring(route.name, {measure.name: {} for measure in gauges}, gauges)
        self._restoring[route.name] = made
        return made

    def finish(self, made: Restoring) -> bool:
        """Show gauges that were made anew; tell whether they are still those that are wanted."""
        if self._restoring.get(made.route) is not made:
            return False
        del self._restoring[made.route]
        for seq, one in made.came:
            if seq > made.last:
                self.refuse(made.route, made.take(seq, [one]))
        for name, table in made.tables.items():
            if (state := self._states.get(name)) is not None and state.route == made.route:
                state.table, state.ready = table, True
        return True

    def refuse(self, route: str, measures: Iterable[Measure]) -> None:
        """Count observations that had no room; a metric's first is logged."""
        for measure in measures:
            self.refused.labels(route, measure.name).inc()
            state = self._states.get(measure.name)
            if state is not None and not state.full:
                state.full = True
                _log.warning(
                    "metric_full",
                    route=route,
                    metric=measure.name,
                    detail=f"it has {measure.most} series; `series:` in the route allows more",
                )

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names come and go with the routes."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return all series; runs in another thread than what changes them, so that it looks at copies alone."""
        for state in list(self._states.values()):
            yield _family(state.route, state.measure, state.table.copy() if state.ready else {})

    def _take(self, route: str, seq: int, one: Observation) -> None:
        state = self._states.get(one.measure.name)
        if state is None or state.route != route:
            return  # a reload took the metric away meanwhile
        if state.measure is not one.measure and not _goes_on(one.measure, state.measure):
            if state.measure.kind is Kind.GAUGE:
                self._want(route)  # it was decided by the rules before the reload
            return
        if one.measure.kind is Kind.GAUGE:
            if (restoring := self._restoring.get(route)) is not None:
                restoring.came.append((seq, one))
            if not state.ready:
                return  # the store is read later, and has it
        if not put(state.table, state.measure, one.labels, one.value):
            self.refuse(route, [state.measure])

    def _want(self, route: str) -> None:
        self.unrestored[route] = None
        self.wanted()


def _goes_on(before: Measure, after: Measure) -> bool:
    """Tell whether series of one are series of the other."""
    if after.kind is Kind.GAUGE:
        return before.wording == after.wording
    return before.shape == after.shape


def _empty(measure: Measure) -> tuple[float, ...]:
    """Return a histogram's counts, those beyond the last bucket, and its sum: all zero."""
    return (0.0,) * (len(measure.buckets) + 2)


def _start(measure: Measure) -> Table:
    """Return the series that stand at zero before the first event: what has no labels is known."""
    if measure.labels or measure.kind is Kind.GAUGE:
        return {}
    return {(): (0.0,) if measure.kind is Kind.COUNTER else _empty(measure)}


def _bound(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # the library left it so


def _family(route: str, measure: Measure, table: Table) -> Metric:
    text, names = measure.help or f"From the events of the route {route}.", measure.label_names
    if measure.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(measure.name, text, labels=names)
        for labels, values in table.items():
            buckets, seen = [], 0.0
            for bound, count in zip((*measure.buckets, float("inf")), values, strict=False):
                seen += count
                buckets.append((_bound(bound), seen))
            histogram.add_metric(labels, buckets, values[-1])
        return histogram
    made = CounterMetricFamily if measure.kind is Kind.COUNTER else GaugeMetricFamily
    family = made(measure.name, text, labels=names)
    for labels, values in table.items():
        family.add_metric(labels, values[0])
    return family
