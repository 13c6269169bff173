"""One incoming path: its route and sender, with the series and the choices of that route."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.metrics.by_route import RouteCounters
from relay.metrics.series import Metrics
from relay.routing.choose import Chooser
from relay.routing.route import Route


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Requests to one path. `sender` is '' on a route that names none."""

    route: Route
    sender: str
    counters: RouteCounters
    chooser: Chooser


def endpoints(routes: Mapping[str, Route], metrics: Metrics) -> dict[str, Endpoint]:
    """Return the endpoints of all routes by their paths."""
    by_path = {}
    for route in routes.values():
        counters = RouteCounters(metrics, route)
        chooser = Chooser(route.forwards)
        for path, sender in route.paths.items():
            by_path[path] = Endpoint(route, sender, counters, chooser)
    return by_path
