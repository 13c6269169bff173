"""The public listener: bounded body -> check -> filter -> commit -> answer. Every request is counted once."""

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from relay.clock import Steady, Wall, steady, wall
from relay.delivery.rate import Rate, book, delay
from relay.errors import Outcome, Rejected, RequestReason, StoreUnavailable
from relay.event import Event, Owed
from relay.http.answer import Answer, Response, problem
from relay.http.body import buffered_body, lower_headers, read_body
from relay.lanes.handover import Handover, hand_over
from relay.lanes.partitions import Partitions
from relay.metrics.by_route import RouteCounters
from relay.metrics.series import NO_ROUTE, Metrics
from relay.routing.check import Verified, check
from relay.routing.choose import NOTHING, Choice, Chooser
from relay.routing.measure import Observed, observe_event
from relay.routing.route import Route
from relay.stores.contract import Writing
from relay.stores.records import Append
from relay.verify import Handshake, Incoming

_HEADERS = 64 << 10  # bytes of all header values; they are stored with each event
_RETRY_AFTER = 5  # seconds that a sender is asked to wait when the relay can't take an event
_log = structlog.get_logger("relay.public.server")


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the public listener takes at most.

    `waiting`: commits that wait; `pending`: deliveries that have not ended; `requests`: open at a time;
    `body_timeout`: seconds for a body.
    """

    waiting: int
    pending: int
    requests: int
    body_timeout: float


class Server:
    """Answers requests for one set of routes."""

    def __init__(
        self,
        lanes: Mapping[str, Partitions],
        store: Writing,
        metrics: Metrics,
        limits: ServerLimits,
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._metrics = metrics
        self._limits = limits
        self._committing: dict[tuple[str, str, str], tuple[Event, asyncio.Future[str]]] = {}
        self._rate_due: dict[str, Steady] = {}
        self._open = 0
        self._quiet = asyncio.Event()  # set once nothing is open any more, while draining
        self.draining = False
        self.disk_full = False
        self._by_path: dict[str, _Served] = {}

    def serve(self, routes: Mapping[str, Route]) -> None:
        """Answer for these routes from now on."""
        served = {}
        for route in routes.values():
            counters = RouteCounters(self._metrics, route)
            chooser = Chooser(route.forwards)
            for path, sender in route.paths.items():
                served[path] = _Served(route, sender, counters, chooser)
        self._by_path = served

    async def handle(self, request: web.BaseRequest) -> Response:
        """Answer one request."""
        began = time.perf_counter()
        path, _, query = request.raw_path.partition("?")
        if not query.isascii():
            query = query.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        served = self._by_path.get(path)
        if served is None:
            self._metrics.requests.labels(
                NO_ROUTE, Outcome.REJECTED.value, RequestReason.NO_ROUTE.value
            ).inc()
            return Response(problem(Rejected(RequestReason.NO_ROUTE, "there is nothing here")))
        route, counters = served.route, served.counters
        self._open += 1
        try:
            body = self._body_at_hand(request, route)
            if body is None:
                body = await read_body(request, route.body_limit, self._limits.body_timeout)
                served = self._served_now(path)
                route, counters = served.route, served.counters
            taken = self._take(request, query, body, served)
            answer = taken if isinstance(taken, Answer) else await self._commit(taken)
        except Rejected as rejected:
            counters.rejected(rejected.reason)
            _log.info(
                "request_rejected",
                route=route.name,
                reason=rejected.reason.value,
                detail=rejected.detail,
            )
            answer = problem(rejected, route.schemes[served.sender].name)
        except Exception:  # noqa: BLE001 - our own fault is answered too
            counters.rejected(RequestReason.INTERNAL)
            _log.exception("request_fault", route=route.name)
            answer = problem(
                Rejected(RequestReason.INTERNAL, "this is our fault", retry_after=_RETRY_AFTER)
            )
        finally:
            self._open -= 1
            if self.draining and not self._open:
                self._quiet.set()
        counters.duration.observe(time.perf_counter() - began)
        return Response(answer)

    async def drain(self, seconds: float) -> None:
        """Refuse what comes from now on, and let what is under way end, for `seconds` at most."""
        self.draining = True
        if self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), seconds)

    def refuse(self, detail: str) -> Response:
        """Answer what is not HTTP; of `detail` the log gets what comes before the bytes, which may hold a secret."""
        self._metrics.requests.labels(
            NO_ROUTE, Outcome.REJECTED.value, RequestReason.MALFORMED.value
        ).inc()
        _log.info(
            "request_rejected",
            route=NO_ROUTE,
            reason=RequestReason.MALFORMED.value,
            detail=detail.partition(":")[0],
        )
        return Response(problem(Rejected(RequestReason.MALFORMED, "this is no HTTP/1.1 request")))

    def _body_at_hand(self, request: web.BaseRequest, route: Route) -> bytes | None:
        """Return the body if all of it is here; raise Rejected if the request can't be taken whatever it is."""
        if request.method != "POST":
            raise Rejected(RequestReason.METHOD_NOT_ALLOWED, "only POST is answered here")
        self._check_room()
        if sum(map(len, request.headers.values())) > _HEADERS:
            raise Rejected(RequestReason.MALFORMED, f"the headers are over {_HEADERS} bytes")
        return buffered_body(request, route.body_limit)

    def _served_now(self, path: str) -> "_Served":
        """Look the path up again: the routes may have been reloaded while the body came, and with them the lanes."""
        served = self._by_path.get(path)
        if served is None:
            raise Rejected(RequestReason.NO_ROUTE, "there is nothing here")
        return served

    def _take(
        self, request: web.BaseRequest, query: str, body: bytes, served: "_Served"
    ) -> "Answer | _Taken":
        """Check a request and hand what it leads to to the store; return what its answer waits for, if for anything."""
        route, counters = served.route, served.counters
        counters.bytes.observe(len(body))
        now = wall()
        incoming = Incoming(lower_headers(request.headers), body, request.method)
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        verified = check(route, served.sender, incoming, pairs, now)
        if (
            route.rate is not None
        ):  # after verification: a stranger must not use up the sender's rate
            self._within_rate(route, route.rate)
        if isinstance(verified, Handshake):
            counters.handshake.inc()
            return Answer(200, verified.body, verified.content_type)
        return self._accept(served, verified, now)

    def _check_room(self) -> None:
        """Raise Rejected while the relay can't take a request, before anything of it is read."""
        limits = self._limits
        if self.draining:
            raise Rejected(
                RequestReason.DRAINING, "the relay is stopping", retry_after=_RETRY_AFTER
            )
        if self._open > limits.requests:
            raise Rejected(
                RequestReason.OVERLOADED, "too many requests are open", retry_after=_RETRY_AFTER
            )
        if self._store.waiting >= limits.waiting:
            raise Rejected(
                RequestReason.BACKLOG_FULL, "too much waits to be stored", retry_after=_RETRY_AFTER
            )
        if self._store.pending >= limits.pending or self.disk_full:
            raise Rejected(
                RequestReason.BACKLOG_FULL,
                "too much waits to be delivered",
                retry_after=_RETRY_AFTER,
            )

    def _within_rate(self, route: Route, rate: Rate) -> None:
        """Count one request of a route against its rate; raise Rejected if it is beyond."""
        due, now = self._rate_due.get(route.name, Steady(0.0)), steady()
        if seconds := delay(rate, due, now):
            raise Rejected(
                RequestReason.RATE_LIMITED,
                "too many requests on this route",
                retry_after=math.ceil(seconds),
            )
        self._rate_due[route.name], _ = book(rate, due, now)

    def _accept(self, served: "_Served", verified: Verified, now: Wall) -> "_Taken":
        route, counters = served.route, served.counters
        key = None
        if verified.id and route.dedupe > 0:
            key = (route.name, verified.sender, verified.id)
            if (first := self._committing.get(key)) is not None:
                before, future = first
                if before.raw != verified.raw:
                    counters.conflicted()
                return _Taken(asyncio.shield(future), counters, before.id)
        seq, event_id = self._store.allocate(now)
        event = Event(
            seq, event_id, route.name, verified.sender, verified.type, verified.key, verified.id, now,
            verified.headers, verified.query, verified.raw,
        )  # fmt: skip
        seen = None
        if verified.invalid is None:
            choice = served.chooser.choose(event, verified.scope, self._lanes)
            if route.measures:
                seen = observe_event(route.measures, event, verified.scope, route.time_limit)
        else:
            choice = NOTHING
        future = self._append(route, event, choice.owed, verified, seen, counters)
        if key is not None:
            self._committing[key] = event, future
        return _Taken(future, counters, "", key, route.status, event_id, choice, verified.invalid)

    async def _commit(self, taken: "_Taken") -> Answer:
        """Answer once what was taken is on disk."""
        counters, choice = taken.counters, taken.choice
        try:
            duplicate_of = (await taken.future) or taken.duplicate_of
        except StoreUnavailable as error:
            _log.error("commit_failed", detail=str(error))
            raise Rejected(
                RequestReason.STORE_UNAVAILABLE,
                "the event could not be stored",
                retry_after=_RETRY_AFTER,
            ) from None
        finally:
            if taken.key is not None:
                del self._committing[taken.key]
        if duplicate_of:
            counters.duplicate.inc()
            return Answer(200, f'{{"id":"{duplicate_of}","duplicate":true}}'.encode())
        if taken.invalid is not None:
            counters.quarantined.inc()
            _log.warning(
                "event_quarantined",
                route=counters.route,
                id=taken.event_id,
                where=taken.invalid.where,
            )
        else:
            counters.accepted.inc()
        counters.forwards(choice)
        for failure in choice.failures:
            _log.warning(
                "forward_failed",
                route=counters.route,
                forward=failure.forward,
                id=taken.event_id,
                detail=failure.detail,
            )
        if taken.status == HTTPStatus.NO_CONTENT:
            return Answer(taken.status)
        answer = f'{{"id":"{taken.event_id}","deliveries":{len(choice.owed)}}}'.encode()
        return Answer(taken.status, answer)

    def _append(
        self,
        route: Route,
        event: Event,
        owed: tuple[Owed, ...],
        verified: Verified,
        seen: Observed | None,
        counters: RouteCounters,
    ) -> "asyncio.Future[str]":
        handover = hand_over(event, owed, self._lanes)
        committed = handover.committed
        if seen is not None:
            committed = partial(self._observe, handover, event, seen)
        return self._store.append(
            Append(
                event,
                handover.owed,
                handover.held,
                handover.since,
                quarantined=verified.invalid is not None,
                dedupe=route.dedupe if verified.id else 0.0,
            ),
            committed,
            handover.withdrawn,
            counters.conflicted,
        )

    def _observe(self, handover: Handover, event: Event, seen: Observed) -> None:
        handover.committed()
        self._metrics.payload.observe(event.route, event.seq, seen)


@dataclass(frozen=True, slots=True)
class _Served:
    """What a path leads to."""

    route: Route
    sender: str
    counters: RouteCounters
    chooser: Chooser


class _Taken(NamedTuple):
    """What a request led to, and the future of its commit. `duplicate_of`: the event it repeats, of which that is the commit."""

    future: "asyncio.Future[str]"
    counters: RouteCounters
    duplicate_of: str
    key: tuple[str, str, str] | None = None
    status: int = 0
    event_id: str = ""
    choice: Choice = NOTHING
    invalid: Rejected | None = None
