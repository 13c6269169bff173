"""The public listener's requests: admit, read, check, commit, answer; each is counted once."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from relay.clock import Wall, steady, wall
from relay.errors import Rejected, RequestReason
from relay.http.answer import Answer, Response, problem
from relay.http.body import buffered_body, lower_headers, read_body
from relay.lanes.partitions import Partitions
from relay.metrics.series import NO_ROUTE, Metrics
from relay.public.admission import RETRY_AFTER, Load, RouteRates, ServerLimits, check_room
from relay.public.endpoint import Endpoint, endpoints
from relay.public.intake import Intake
from relay.routing.check import Verified, check
from relay.routing.recent import RecentBodies
from relay.routing.route import Route
from relay.stores.contract import Writing
from relay.verify import Handshake, Incoming

# Bytes of all header values: they are stored with each event.
_HEADERS = 64 << 10
_log = structlog.get_logger("relay.public.server")


class Server:
    """Answers requests for one set of routes."""

    def __init__(
        self,
        lanes: Mapping[str, Partitions],
        store: Writing,
        metrics: Metrics,
        limits: ServerLimits,
        recent: RecentBodies,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._limits = limits
        self._intake = Intake(store, lanes, metrics.payload, recent)
        self._rates = RouteRates()
        self._endpoints: dict[str, Endpoint] = {}
        self._open = 0
        # Set once no request is open any more, while draining.
        self._quiet = asyncio.Event()
        self.draining = False
        self.disk_full = False

    def serve(self, routes: Mapping[str, Route]) -> None:
        """Answer for these routes from now on."""
        self._endpoints = endpoints(routes, self._metrics)

    async def handle(self, request: web.BaseRequest) -> Response:
        """Answer one request."""
        began = time.perf_counter()
        path, _, query = request.raw_path.partition("?")
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            self._count_stray(RequestReason.NO_ROUTE)
            return Response(problem(_not_here()))
        self._open += 1
        try:
            self._admit(request)
            body = buffered_body(request, endpoint.route.body_limit)
            if body is None:
                limit = endpoint.route.body_limit
                body = await read_body(request, limit, self._limits.body_timeout)
                endpoint = self._endpoint_now(path)
            now = wall()
            verified = self._check(endpoint, request, query, body, now)
            if isinstance(verified, Handshake):
                endpoint.counters.handshake.inc()
                answer = Answer(200, verified.body, verified.content_type)
            else:
                answer = await self._intake.accept(endpoint, verified, now)
        except Rejected as rejected:
            answer = _reject(endpoint, rejected)
        except Exception:  # noqa: BLE001 - a fault of the relay is answered too
            answer = _fail(endpoint)
        finally:
            self._open -= 1
            if self.draining and not self._open:
                self._quiet.set()
        endpoint.counters.duration.observe(time.perf_counter() - began)
        return Response(answer)

    def refuse(self, detail: str) -> Response:
        """Answer bytes that are no HTTP request.

        Of `detail` the log gets the part before the bytes, which may hold a secret.
        """
        reason = RequestReason.MALFORMED
        self._count_stray(reason)
        cause = detail.partition(":")[0]
        _log.info("request_rejected", route=NO_ROUTE, reason=reason.value, detail=cause)
        return Response(problem(Rejected(reason, "this is no HTTP/1.1 request")))

    async def drain(self, seconds: float) -> None:
        """Refuse requests from now on, and let those under way end, for `seconds` at most."""
        self.draining = True
        if self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), seconds)

    def _admit(self, request: web.BaseRequest) -> None:
        """Raise Rejected if the request can't be taken, whatever its body is."""
        if request.method != "POST":
            raise Rejected(RequestReason.METHOD_NOT_ALLOWED, "only POST is answered here")
        store = self._store
        load = Load(self._open, store.waiting, store.pending, self.draining, self.disk_full)
        check_room(load, self._limits)
        if sum(map(len, request.headers.values())) > _HEADERS:
            raise Rejected(RequestReason.MALFORMED, f"the headers are over {_HEADERS} bytes")

    def _endpoint_now(self, path: str) -> Endpoint:
        """Look the path up again: a reload while the body came may have changed route and lanes."""
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            raise _not_here()
        return endpoint

    def _check(
        self, endpoint: Endpoint, request: web.BaseRequest, query: str, body: bytes, now: Wall
    ) -> Verified | Handshake:
        """Verify, decode and validate the request; raise Rejected if one of them fails."""
        route = endpoint.route
        endpoint.counters.bytes.observe(len(body))
        incoming = Incoming(lower_headers(request.headers), body, request.method)
        verified = check(route, endpoint.sender, incoming, _parameters(query), now)
        # After verification: a stranger must not use up the sender's rate.
        if route.rate is not None:
            self._rates.count(route.name, route.rate, steady())
        return verified

    def _count_stray(self, reason: RequestReason) -> None:
        """Count a request that belongs to no route."""
        self._metrics.requests.labels(NO_ROUTE, reason.outcome.value, reason.value).inc()


def _not_here() -> Rejected:
    return Rejected(RequestReason.NO_ROUTE, "there is nothing here")


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters of a URL's query; of one that comes twice, the last."""
    if not query:
        return {}
    if not query.isascii():
        query = query.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return dict(parse_qsl(query, keep_blank_values=True))


def _reject(endpoint: Endpoint, rejected: Rejected) -> Answer:
    route = endpoint.route
    endpoint.counters.rejected(rejected.reason)
    reason = rejected.reason.value
    _log.info("request_rejected", route=route.name, reason=reason, detail=rejected.detail)
    return problem(rejected, route.schemes[endpoint.sender].name)


def _fail(endpoint: Endpoint) -> Answer:
    """Answer for a fault of the relay; called while its exception is handled."""
    endpoint.counters.rejected(RequestReason.INTERNAL)
    _log.exception("request_fault", route=endpoint.route.name)
    fault = Rejected(RequestReason.INTERNAL, "this is our fault", retry_after=RETRY_AFTER)
    return problem(fault)
