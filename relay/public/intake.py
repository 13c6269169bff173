"""From a verified request to its answer: choose its targets, commit it with its deliveries, answer.

Deliveries go to their lanes straight from memory, once they are on disk.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus

import structlog

from relay.clock import Wall
from relay.errors import Rejected, RequestReason, StoreUnavailable
from relay.event import Event
from relay.http.answer import Answer
from relay.lanes.handover import Handover, hand_over
from relay.lanes.partitions import Partitions
from relay.metrics.own import PayloadMetrics
from relay.public.admission import RETRY_AFTER
from relay.public.endpoint import Endpoint
from relay.routing.check import Verified
from relay.routing.choose import NOTHING, Choice
from relay.routing.measure import Observed, observe_event
from relay.routing.recent import RecentBodies
from relay.stores.contract import Writing
from relay.stores.records import Append

_log = structlog.get_logger("relay.public.intake")

# An event's identity among those that count as seen: route, sender, the sender's own id.
_Identity = tuple[str, str, str]


class Intake:
    """Commits events and answers for them."""

    def __init__(
        self,
        store: Writing,
        lanes: Mapping[str, Partitions],
        payload: PayloadMetrics,
        recent: RecentBodies,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._payload = payload
        self._recent = recent
        self._committing: dict[_Identity, tuple[Event, asyncio.Future[str]]] = {}

    async def accept(self, endpoint: Endpoint, verified: Verified, now: Wall) -> Answer:
        """Return the answer to an event that came at `now`, once it is on disk.

        Raises Rejected if it could not be committed.
        """
        route = endpoint.route
        identity = None
        if verified.id and route.dedupe > 0:
            identity = (route.name, verified.sender, verified.id)
            if (first := self._committing.get(identity)) is not None:
                return await _repeat(endpoint, verified, *first)
        seq, event_id = self._store.allocate(now)
        event = Event(
            seq, event_id, route.name, verified.sender, verified.type, verified.key, verified.id,
            now, verified.headers, verified.query, verified.raw,
        )  # fmt: skip
        choice, observed = self._choose(endpoint, event, verified)
        commit = self._append(endpoint, event, verified, choice, observed)
        if identity is not None:
            self._committing[identity] = event, commit
        try:
            duplicate_of = await commit
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        finally:
            if identity is not None:
                del self._committing[identity]
        if duplicate_of:
            return _duplicate(endpoint, duplicate_of)
        _count(endpoint, event, verified, choice)
        if route.status == HTTPStatus.NO_CONTENT:
            return Answer(route.status)
        body = f'{{"id":"{event_id}","deliveries":{len(choice.owed)}}}'
        return Answer(route.status, body.encode())

    def _choose(
        self, endpoint: Endpoint, event: Event, verified: Verified
    ) -> tuple[Choice, Observed | None]:
        """Return what the event owes, and its observations for the route's own metrics, if any."""
        route = endpoint.route
        if verified.invalid is not None:
            return NOTHING, None
        choice = endpoint.chooser.choose(event, verified.scope, self._lanes)
        transforming = route.transforming
        if transforming and any(owed.forward in transforming for owed in choice.owed):
            self._recent.keep(route, event.seq, len(event.raw), verified.body)
        if not route.measures:
            return choice, None
        observed = observe_event(route.measures, event, verified.scope, route.time_limit)
        return choice, observed

    def _append(
        self,
        endpoint: Endpoint,
        event: Event,
        verified: Verified,
        choice: Choice,
        observed: Observed | None,
    ) -> "asyncio.Future[str]":
        """Give the store an event with its deliveries; the future is that of `Writing.append`."""
        handover = hand_over(event, choice.owed, self._lanes)
        committed = handover.committed
        if observed is not None:
            committed = partial(self._observe, handover, event, observed)
        return self._store.append(
            Append(
                event,
                handover.owed,
                handover.held,
                handover.since,
                quarantined=verified.invalid is not None,
                dedupe=endpoint.route.dedupe if verified.id else 0.0,
            ),
            committed,
            handover.withdrawn,
            endpoint.counters.conflicted,
        )

    def _observe(self, handover: Handover, event: Event, observed: Observed) -> None:
        handover.committed()
        self._payload.observe(event.route, event.seq, observed)


async def _repeat(
    endpoint: Endpoint, verified: Verified, first: Event, commit: "asyncio.Future[str]"
) -> Answer:
    """Answer a repetition of an event that is still being committed, once that is on disk."""
    if first.raw != verified.raw:
        endpoint.counters.conflicted()
    try:
        # The commit is that of another request, which goes on if this one ends.
        duplicate_of = await asyncio.shield(commit)
    except StoreUnavailable as error:
        raise _unavailable(error) from None
    return _duplicate(endpoint, duplicate_of or first.id)


def _unavailable(error: StoreUnavailable) -> Rejected:
    _log.error("commit_failed", detail=str(error))
    return Rejected(
        RequestReason.STORE_UNAVAILABLE, "the event could not be stored", retry_after=RETRY_AFTER
    )


def _duplicate(endpoint: Endpoint, event_id: str) -> Answer:
    endpoint.counters.duplicate.inc()
    return Answer(200, f'{{"id":"{event_id}","duplicate":true}}'.encode())


def _count(endpoint: Endpoint, event: Event, verified: Verified, choice: Choice) -> None:
    """Count an event that is on disk, and log what an operator must look at."""
    counters = endpoint.counters
    if verified.invalid is None:
        counters.accepted.inc()
    else:
        counters.quarantined.inc()
        where = verified.invalid.where
        _log.warning("event_quarantined", route=event.route, id=event.id, where=where)
    counters.forwards(choice)
    for failure in choice.failures:
        _log.warning(
            "forward_failed",
            route=event.route,
            forward=failure.forward,
            id=event.id,
            detail=failure.detail,
        )
