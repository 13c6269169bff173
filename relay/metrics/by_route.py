"""The series of one route, each looked up once for all of its events."""

from collections.abc import Callable

import structlog

from relay.errors import Outcome, RequestReason
from relay.metrics.counter import Counter
from relay.metrics.series import Metrics
from relay.routing.choose import Choice, ForwardOutcome
from relay.routing.route import Route

_log = structlog.get_logger("relay.public.server")


class RouteCounters:
    """Counts the outcomes of a route's requests and the decisions of its forwards."""

    def __init__(self, metrics: Metrics, route: Route) -> None:
        self._metrics = metrics
        self.route = route.name
        self.accepted = metrics.requests.labels(route.name, Outcome.ACCEPTED.value, "")
        self.quarantined = metrics.requests.labels(route.name, Outcome.QUARANTINED.value, "")
        self.handshake = metrics.requests.labels(route.name, Outcome.HANDSHAKE.value, "")
        self.duplicate = metrics.requests.labels(route.name, Outcome.DUPLICATE.value, "")
        self._conflicts = metrics.conflicts.labels(route.name)
        self.duration = metrics.request_duration.labels(route.name)
        self.bytes = metrics.request_bytes.labels(route.name)
        self._forwards = _Forwards(metrics.forwards, route.name)

    def conflicted(self) -> None:
        """Count an event whose id was seen with another body."""
        self._conflicts.inc()
        _log.warning(
            "duplicate_conflict", route=self.route, detail="another body came under the same id"
        )

    def rejected(self, reason: RequestReason) -> None:
        """Count a request that was refused."""
        self._metrics.requests.labels(self.route, reason.outcome.value, reason.value).inc()

    def forwards(self, choice: Choice) -> None:
        """Count the decisions about one event, those with the same target and outcome at once."""
        for decided, count in choice.counts:
            self._forwards[decided](count)


class _Forwards(dict[tuple[str, ForwardOutcome], Callable[[int], None]]):
    """By target and outcome, the function that adds to the series `relay_forwards_total`."""

    def __init__(self, counter: Counter, route: str) -> None:
        self._counter = counter
        self._route = route

    def __missing__(self, decided: tuple[str, ForwardOutcome]) -> Callable[[int], None]:
        target, outcome = decided
        increase = self._counter.labels(self._route, target, outcome.value).inc
        self[decided] = increase
        return increase
