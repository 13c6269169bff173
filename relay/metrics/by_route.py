"""A route's series, looked up once."""

from collections import Counter
from collections.abc import Callable

import structlog

from relay.errors import Outcome, RequestReason
from relay.metrics.series import Metrics
from relay.routing.route import Filtered, Route

_log = structlog.get_logger("relay.public.server")


class RouteCounters:
    """Counts what became of a route's requests and events."""

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
        self._forwards: dict[tuple[str, str], Callable[[int], None]] = {}
        self._said: dict[int, tuple[Filtered, list[tuple[Callable[[int], None], int]]]] = {}

    def conflicted(self) -> None:
        """Count an event whose id was seen with another body."""
        self._conflicts.inc()
        _log.warning(
            "duplicate_conflict", route=self.route, detail="another body came under the same id"
        )

    def rejected(self, reason: RequestReason) -> None:
        """Count a request that was refused."""
        self._metrics.requests.labels(self.route, reason.outcome.value, reason.value).inc()

    def forwards(self, filtered: Filtered) -> None:
        """Count what each forward said: once for all that said the same of a target."""
        known = self._said.get(id(filtered))
        if known is None:
            counted = Counter([(target, said.value) for _, target, said, _ in filtered.said])
            known = filtered, [(self._forward(*key), count) for key, count in counted.items()]
            if filtered.lasts:
                self._said[id(filtered)] = known  # which keeps it, so that no other has its id
        for increase, count in known[1]:
            increase(count)

    def _forward(self, target: str, outcome: str) -> Callable[[int], None]:
        found = self._forwards.get((target, outcome))
        if found is None:
            found = self._metrics.forwards.labels(self.route, target, outcome).inc
            self._forwards[target, outcome] = found
        return found
