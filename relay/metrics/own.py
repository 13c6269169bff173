"""The user's own series: kept within bounds, shown to Prometheus, gauges restored from the store.

Of a gauge, the last event in the order of acceptance decides. `Restoring` replays that order from
the store, aside, while the relay goes on. Once it has read all, it adds the observations that came
meanwhile, and takes the place of the series so far. A gauge that was not restored yet has no
series: better none than wrong ones.
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
# A series' value; of a histogram the counts by bucket, the count beyond the last, and the sum.
Table = dict[Labels, tuple[float, ...]]
_log = structlog.get_logger("relay.metrics.series")


def put(table: Table, measure: Measure, labels: Labels, value: float | None) -> bool:
    """Add an observation to a metric's table of series; tell whether it had room."""
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
    """A metric's series as they stand.

    `ready` says that they may be shown, `full` that the log has been told that there is no room.
    """

    route: str
    measure: Measure
    table: Table
    ready: bool
    full: bool = False


@dataclass(slots=True)
class Restoring:
    """A route's gauges, made anew from its events in the order of acceptance.

    `last` is the sequence number of the last event that was read; `meanwhile` has the observations
    of new events, with their sequence numbers.
    """

    route: str
    tables: dict[str, Table]
    measures: tuple[Measure, ...]
    last: int = 0
    meanwhile: list[tuple[int, Observation]] = field(default_factory=list)

    def forget_meanwhile(self) -> None:
        """Forget new events until now: they are committed, and the store is about to be read."""
        self.meanwhile.clear()

    def add(self, seq: int, observations: Iterable[Observation]) -> list[Measure]:
        """Add the next event's observations; return the metrics that had no room for theirs."""
        self.last = seq
        return [
            measure
            for measure, labels, value in observations
            if measure.name in self.tables
            and not put(self.tables[measure.name], measure, labels, value)
        ]


class PayloadMetrics(Collector):
    """All series of all routes' own metrics.

    `unrestored` are the routes whose gauges wait for the store; `on_unrestored` is called when
    there may be more of them.
    """

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
        self.on_unrestored: Callable[[], None] = lambda: None
        self._states: dict[str, _State] = {}
        self._restoring: dict[str, Restoring] = {}
        registry.register(self)

    def fit(self, routes: Mapping[str, Route]) -> None:
        """Show these routes' metrics from now on.

        Series stay where kind, labels and buckets are the same. A gauge that is new, or observes
        by other expressions than before, is restored from the store.
        """
        states: dict[str, _State] = {}
        stale: dict[str, None] = {}
        for route in routes.values():
            for measure in route.measures:
                self.errors.labels(route.name, measure.name)
                self.refused.labels(route.name, measure.name)
                state = states[measure.name] = self._fitted(route.name, measure)
                if not state.ready:
                    stale[route.name] = None
        self._states = states
        self._restoring = {
            name: restoring for name, restoring in self._restoring.items() if name not in stale
        }
        self.unrestored = {name: None for name in (*self.unrestored, *stale) if name in routes}
        self.on_unrestored()

    def observe(self, route: str, seq: int, observed: Observed) -> None:
        """Count the observations of an event that was just committed, in the order of commits."""
        for failure in observed.failures:
            self.errors.labels(route, failure.measure.name).inc()
            _log.warning(
                "metric_failed", route=route, metric=failure.measure.name, detail=failure.detail
            )
        for observation in observed.observations:
            self._count(route, seq, observation)

    def release(self, route: str, seq: int, observed: Observed) -> None:
        """Count the observations of an event that has left quarantine.

        Gauges are restored for it: its place among them is in the order of acceptance.
        """
        gauges, others = list[Observation](), list[Observation]()
        for observation in observed.observations:
            is_gauge = observation.measure.kind is Kind.GAUGE
            (gauges if is_gauge else others).append(observation)
        self.observe(route, seq, Observed(tuple(others), observed.failures))
        if gauges:
            self._mark_unrestored(route)

    def begin(self, route: Route) -> Restoring:
        """Begin to make a route's gauges anew; they also get all new observations from now on."""
        self.unrestored.pop(route.name, None)
        gauges = tuple(measure for measure in route.measures if measure.kind is Kind.GAUGE)
        restoring = Restoring(route.name, {measure.name: {} for measure in gauges}, gauges)
        self._restoring[route.name] = restoring
        return restoring

    def finish(self, restoring: Restoring) -> bool:
        """Show gauges that were made anew; tell whether they are still the route's."""
        route = restoring.route
        if self._restoring.get(route) is not restoring:
            return False
        del self._restoring[route]
        for seq, observation in restoring.meanwhile:
            if seq > restoring.last:
                self.refuse(route, restoring.add(seq, [observation]))
        for name, table in restoring.tables.items():
            if (state := self._states.get(name)) is not None and state.route == route:
                state.table, state.ready = table, True
        return True

    def refuse(self, route: str, measures: Iterable[Measure]) -> None:
        """Count observations for which their metric had no room; a metric's first is logged."""
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
        """Return all series, from copies: other threads than the scrape's change them."""
        for state in list(self._states.values()):
            yield _family(state.route, state.measure, state.table.copy() if state.ready else {})

    def _fitted(self, route: str, measure: Measure) -> _State:
        """Return a metric's series so far if they go on after a reload, else new ones."""
        state = self._states.get(measure.name)
        if state is not None and state.route == route and _goes_on(state.measure, measure):
            state.measure = measure
            return state
        return _State(route, measure, _start(measure), ready=measure.kind is not Kind.GAUGE)

    def _count(self, route: str, seq: int, observation: Observation) -> None:
        measure = observation.measure
        state = self._states.get(measure.name)
        # A reload may have taken the metric away meanwhile.
        if state is None or state.route != route:
            return
        if state.measure is not measure and not _goes_on(measure, state.measure):
            # The observation was made by the rules before the reload.
            if state.measure.kind is Kind.GAUGE:
                self._mark_unrestored(route)
            return
        if measure.kind is Kind.GAUGE:
            if (restoring := self._restoring.get(route)) is not None:
                restoring.meanwhile.append((seq, observation))
            # The store has the event, and is read later.
            if not state.ready:
                return
        if not put(state.table, state.measure, observation.labels, observation.value):
            self.refuse(route, [state.measure])

    def _mark_unrestored(self, route: str) -> None:
        self.unrestored[route] = None
        self.on_unrestored()


def _goes_on(before: Measure, after: Measure) -> bool:
    """Tell whether a metric's series go on after a reload."""
    if after.kind is Kind.GAUGE:
        return before.wording == after.wording
    return before.shape == after.shape


def _empty(measure: Measure) -> tuple[float, ...]:
    """Return a histogram's counts, those beyond the last bucket, and its sum: all zero."""
    return (0.0,) * (len(measure.buckets) + 2)


def _start(measure: Measure) -> Table:
    """Return the series before the first event: without labels there is one, at zero."""
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
            buckets, so_far = [], 0.0
            for bound, count in zip((*measure.buckets, float("inf")), values, strict=False):
                so_far += count
                buckets.append((_bound(bound), so_far))
            histogram.add_metric(labels, buckets, values[-1])
        return histogram
    kind = CounterMetricFamily if measure.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(measure.name, text, labels=names)
    for labels, values in table.items():
        family.add_metric(labels, values[0])
    return family
