"""Every series of the relay, made in one place; every reason stands at zero from the start."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from relay.delivery.settle import Verdict
from relay.errors import DeliveryReason, Outcome, RequestReason
from relay.metrics.counter import Counter
from relay.metrics.histogram import Histogram
from relay.metrics.own import PayloadMetrics
from relay.metrics.snapshot import Snapshot
from relay.routing.choose import ForwardOutcome
from relay.routing.route import Route

# A second series for each counter, which nothing here needs; the library left it untyped.
disable_created_metrics()  # type: ignore[no-untyped-call]
NO_ROUTE = (
    ""  # the label of requests that reached no route: what strangers ask for must not make series
)
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELIVERY = (*_LATENCY, 60, 300, 1800, 7200, 36000, 86400, 259200)
_SIZES = (256, 1024, 4096, 16384, 65536, 262144, 1048576, 5242880)
_OPERATIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_BY_SENDER = {Outcome.ACCEPTED, Outcome.QUARANTINED, Outcome.DUPLICATE, Outcome.HANDSHAKE}


class Metrics:
    """The registry and its series."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "relay_requests",
            "Requests on the public listener.",
            ("route", "outcome", "reason"),
            endings=(
                *((outcome.value, "") for outcome in _BY_SENDER),
                *((refusal.outcome.value, refusal.value) for refusal in RequestReason),
            ),
            registry=registry,
        )
        self.conflicts = Counter(
            "relay_duplicate_conflicts",
            "Duplicates by their id whose body was another; the first is kept.",
            ("route",),
            endings=((),),
            registry=registry,
        )
        self.request_duration = Histogram(
            "relay_request_duration_seconds",
            "From a request's headers to its answer.",
            ("route",),
            buckets=_LATENCY,
            registry=registry,
        )
        self.request_bytes = Histogram(
            "relay_request_bytes",
            "Bodies as they came.",
            ("route",),
            buckets=_SIZES,
            registry=registry,
        )
        self.forwards = Counter(
            "relay_forwards",
            "What each forward said to each event.",
            ("route", "target", "outcome"),
            endings=((outcome.value,) for outcome in ForwardOutcome),
            registry=registry,
        )
        self.attempts = Counter(
            "relay_attempts",
            "Attempts, by what they led to.",
            ("target", "outcome", "reason"),
            endings=(
                *((verdict.value, "") for verdict in (Verdict.DELIVERED, Verdict.DROPPED)),
                *(
                    (verdict.value, reason.value)
                    for verdict in (Verdict.RETRY, Verdict.DEAD)
                    for reason in DeliveryReason
                ),
            ),
            registry=registry,
        )
        self.attempt_duration = Histogram(
            "relay_attempt_duration_seconds",
            "How long attempts took.",
            ("target",),
            buckets=_LATENCY,
            registry=registry,
        )
        self.delivery_latency = Histogram(
            "relay_delivery_latency_seconds",
            "From accepted to delivered.",
            ("target",),
            buckets=_DELIVERY,
            registry=registry,
        )
        self.commit_duration = Histogram(
            "relay_commit_duration_seconds",
            "Transactions, with their sync.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.commit_operations = Histogram(
            "relay_commit_operations",
            "Operations that shared a transaction.",
            buckets=_OPERATIONS,
            registry=registry,
        )
        failures = Counter(
            "relay_commit_failures",
            "Transactions that could not be committed.",
            (),
            endings=((),),
            registry=registry,
        )
        failures.begin()
        self.commit_failures = failures.labels()
        self.generation = Gauge(
            "relay_config_generation", "How many configurations were loaded.", registry=registry
        )
        self.reload_ok = Gauge(
            "relay_config_last_reload_successful",
            "1 if the last load succeeded.",
            registry=registry,
        )
        self.reload_at = Gauge(
            "relay_config_last_reload_success_timestamp_seconds",
            "When a configuration was last loaded.",
            registry=registry,
        )
        self.build = Gauge(
            "relay_build_info",
            "1; the labels tell what runs.",
            ("version", "python", "sqlite"),
            registry=registry,
        )
        self.payload = PayloadMetrics(registry)
        for refusal in RequestReason:
            self.requests.labels(NO_ROUTE, refusal.outcome.value, refusal.value)

    def add_route(self, route: Route) -> None:
        """Start a route's series at zero."""
        self.requests.begin(route.name)
        self.conflicts.begin(route.name)
        self.request_duration.labels(route.name)
        self.request_bytes.labels(route.name)
        for forward in route.forwards:
            self.forwards.begin(route.name, forward.to if isinstance(forward.to, str) else "")

    def add_target(self, target: str) -> None:
        """Start a target's series at zero."""
        self.attempts.begin(target)
        self.attempt_duration.labels(target)
        self.delivery_latency.labels(target)

    def observe(self, snapshot: Callable[[], Snapshot]) -> None:
        """Register the gauges that are read when Prometheus asks."""
        self.registry.register(_Gauges(snapshot))


class _Gauges(Collector):
    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        return self._families()

    def collect(self) -> Iterator[Metric]:
        snapshot = self._snapshot()
        pending, oldest, dead, breaker, paused, size, free = self._families()
        for state in snapshot.targets:
            pending.add_metric([state.target], state.pending)
            oldest.add_metric([state.target], state.oldest)
            breaker.add_metric([state.target], state.breaker.value)
            paused.add_metric([state.target], int(state.paused))
            for reason in DeliveryReason:
                dead.add_metric([state.target, reason.value], state.dead.get(reason.value, 0))
        size.add_metric([], snapshot.store_bytes)
        free.add_metric([], snapshot.free_bytes)
        yield from (pending, oldest, dead, breaker, paused, size, free)

    def _families(self) -> tuple[GaugeMetricFamily, ...]:
        return (
            GaugeMetricFamily(
                "relay_pending_deliveries", "Deliveries not yet ended.", labels=["target"]
            ),
            GaugeMetricFamily(
                "relay_oldest_pending_seconds",
                "Age of the oldest pending delivery.",
                labels=["target"],
            ),
            GaugeMetricFamily(
                "relay_dead_letters", "Dead letters in the store.", labels=["target", "reason"]
            ),
            GaugeMetricFamily(
                "relay_breaker_state",
                "0 closed, 1 half-open, 2 open: left alone.",
                labels=["target"],
            ),
            GaugeMetricFamily(
                "relay_target_paused",
                "1 if no attempt is made until it is resumed.",
                labels=["target"],
            ),
            GaugeMetricFamily("relay_store_bytes", "Size of the store's files."),
            GaugeMetricFamily("relay_store_free_bytes", "Space left where the store is."),
        )
