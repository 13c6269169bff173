"""The way of one delivery through its lane: one chain, which reads from top to bottom.

    expire -> prepare -> send -> decide -> heed -> settle -> emit

`deliver` is all of it up to `settle`. The store calls `emit` once the settlement is on disk; only
then do metrics and logs tell of it. The rules are relay/delivery/settle.py's; here is their order.
"""

import random
from collections.abc import Callable
from functools import partial

import structlog

from relay.clock import Steady, steady, wall
from relay.delivery.settle import Attempt, Settlement, Verdict, drop, expire, fail, settle
from relay.errors import DeliveryReason, RelayError, TransformFailed
from relay.event import Delivery, DeliveryState
from relay.lanes.room import Places
from relay.metrics.series import Metrics
from relay.routing.recent import RecentBodies
from relay.routing.route import Route
from relay.routing.transform import Outgoing, prepare
from relay.stores.contract import Delivering
from relay.stores.records import Settle
from relay.targets.target import LaneOptions, Target

_log = structlog.get_logger("relay.lanes.deliver")


class Unsendable(RelayError):
    """A delivery of which no request can be made; `reason` is why it is dead."""

    def __init__(self, reason: DeliveryReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Deliverer:
    """Carries one lane's deliveries out, as many at a time as the lane has workers.

    `options` and `target` may be replaced at any time: an attempt in flight ends on the connections
    that it began on, and is judged by the options as they are then. The lane learns of each attempt
    that ended (`heed`), and of deliveries that will be due in the store (`wake`).
    """

    def __init__(
        self,
        options: LaneOptions,
        target: Target,
        store: Delivering,
        places: Places,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
        recent: RecentBodies,
        heed: Callable[[Settlement], None],
        wake: Callable[[Steady], None],
    ) -> None:
        self.options = options
        self.target = target
        self._store = store
        self._places = places
        self._routes = routes
        self._recent = recent
        self._heed = heed
        self._wake = wake
        self._attempts = metrics.attempts
        self._delivered = metrics.attempts.labels(options.target, Verdict.DELIVERED.value, "")
        self._duration = metrics.attempt_duration.labels(options.target)
        self._latency = metrics.delivery_latency.labels(options.target)

    async def deliver(self, delivery: Delivery) -> None:
        """Make one attempt, unless there is none to make, and settle what follows."""
        try:
            expired = expire(delivery, self.options.policy, steady())
            if expired is not None:
                self._settle(delivery, expired, None)
                return
            outgoing = self._prepare(delivery)
            if outgoing is None:
                self._settle(delivery, drop(delivery), None)
                return
            attempt = await self.target.attempt(delivery, outgoing)
            settlement = settle(
                delivery,
                attempt,
                self.options.policy,
                give_up_on=self.options.give_up_on,
                now=steady(),
                chance=random.random(),
            )
            self._heed(settlement)
            self._settle(delivery, settlement, attempt)
        except Unsendable as error:
            attempt = Attempt(wall(), 0.0, reason=error.reason, detail=str(error))
            self._settle(delivery, fail(delivery, error.reason), attempt)

    def bury(self, delivery: Delivery) -> None:
        """End a delivery whose target is gone."""
        self._settle(delivery, fail(delivery, DeliveryReason.TARGET_REMOVED), None)

    def _prepare(self, delivery: Delivery) -> Outgoing | None:
        """Make the request, by the route as it is now; None if the transform drops the delivery."""
        route = self._routes(delivery.event.route)
        if route is None:
            raise Unsendable(
                DeliveryReason.TARGET_REMOVED, f"there is no route {delivery.event.route} any more"
            )
        forward = route.by_name.get(delivery.forward)
        if forward is None:
            raise Unsendable(
                DeliveryReason.TARGET_REMOVED,
                f"the route {route.name} has no forward {delivery.forward} any more",
            )
        event = delivery.event
        body = self._recent.claim(route, event.seq) if forward.transform is not None else None
        try:
            return prepare(route, forward, event, body)
        except TransformFailed as error:
            raise Unsendable(DeliveryReason.TRANSFORM_FAILED, str(error)) from error

    def _settle(self, delivery: Delivery, settlement: Settlement, attempt: Attempt | None) -> None:
        emit = partial(self._emit, delivery, settlement, attempt)
        self._store.settle(Settle(delivery, settlement, attempt, steady(), emit))

    def _emit(self, delivery: Delivery, settlement: Settlement, attempt: Attempt | None) -> None:
        """Tell of a settlement that is on disk: to the lane, the metrics, and the log."""
        self._places.give_back(delivery)
        if delivery.ordering and settlement.state is not DeliveryState.PENDING:
            self._wake(steady())  # the next delivery of its key may go now
        if attempt is not None:
            self._duration.observe(attempt.duration)
        if settlement.state is DeliveryState.DELIVERED:
            self._delivered.inc()
            self._latency.observe(max(steady() - delivery.since, 0.0))
            return
        reason = settlement.reason.value if settlement.reason else ""
        self._attempts.labels(delivery.target, settlement.verdict.value, reason).inc()
        if settlement.state is DeliveryState.PENDING:
            self._wake(settlement.due)
        if settlement.reason is not None:
            _log.warning(
                f"delivery_{settlement.verdict.value}",
                target=delivery.target,
                id=delivery.event.id,
                route=delivery.event.route,
                attempt=settlement.attempts,
                reason=reason,
                status=attempt.status if attempt else 0,
                detail=attempt.detail if attempt else "",
            )
