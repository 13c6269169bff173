"""Whether the relay has room for a request, and whether its route's rate allows it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from relay.clock import Steady
from relay.delivery.rate import Rate, book, delay
from relay.errors import Rejected, RequestReason

# Seconds after which a sender may try again, if the relay can't take an event now.
RETRY_AFTER = 5


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The bounds of the public listener.

    `waiting`: events that wait for their commit; `pending`: deliveries that have not ended;
    `requests`: requests open at a time; `body_timeout`: seconds for a body to come.
    """

    waiting: int
    pending: int
    requests: int
    body_timeout: float


class Load(NamedTuple):
    """How busy the relay is: the numbers that ServerLimits bounds, and two states that stop it."""

    requests: int
    waiting: int
    pending: int
    draining: bool = False
    disk_full: bool = False


def check_room(load: Load, limits: ServerLimits) -> None:
    """Raise Rejected if the relay can't take one more request."""
    if load.draining:
        raise _refused(RequestReason.DRAINING, "the relay is stopping")
    if load.requests > limits.requests:
        raise _refused(RequestReason.OVERLOADED, "too many requests are open")
    if load.waiting >= limits.waiting:
        raise _refused(RequestReason.BACKLOG_FULL, "too many events wait to be stored")
    if load.pending >= limits.pending or load.disk_full:
        raise _refused(RequestReason.BACKLOG_FULL, "too many events wait to be delivered")


def _refused(reason: RequestReason, detail: str) -> Rejected:
    return Rejected(reason, detail, retry_after=RETRY_AFTER)


class RouteRates:
    """Counts the requests of each route that has a rate."""

    def __init__(self) -> None:
        self._due: dict[str, Steady] = {}

    def count(self, route: str, rate: Rate, now: Steady) -> None:
        """Count one request; raise Rejected, and count nothing, if it is beyond the rate."""
        due = self._due.get(route, Steady(0.0))
        if seconds := delay(rate, due, now):
            raise Rejected(
                RequestReason.RATE_LIMITED,
                "too many requests on this route",
                retry_after=math.ceil(seconds),
            )
        self._due[route], _ = book(rate, due, now)
