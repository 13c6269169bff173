"""The admin listener's handlers. A token guards all but health; without one, only loopback names are served."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NamedTuple, cast

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from relay.admin import export
from relay.admin import views as shapes
from relay.admin.health import Health
from relay.admin.replay import CannotReplay, Replayer
from relay.clock import steady
from relay.errors import ConfigInvalid, Rejected, StoreUnavailable
from relay.event import format_id, parse_id
from relay.http.body import read_body
from relay.lanes.partitions import AnyLane
from relay.metrics.series import Metrics, Snapshot, TargetState
from relay.routing.body import decode_json
from relay.routing.route import Route, describe
from relay.stores.contract import Counts, Query, Store

_log = structlog.get_logger("relay.admin")
_OPEN = frozenset({"/healthz", "/readyz"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_MOST = 1000  # rows of one answer
_BODY = 1 << 20  # bytes of a request
_PATIENCE = 10.0  # seconds for it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 2.0**33  # seconds; an event's number has no room for later ones
_REPLAY = (
    'send {"id": "…", "target": "…"}, or {"deliveries": [{"event": "…", "n": 0, "target": "…"}]}'
)


@dataclass(slots=True)
class AdminState:
    """What the admin side shows and steers."""

    store: Store
    lanes: Mapping[str, AnyLane]
    routes: Callable[[], Mapping[str, Route]]
    metrics: Metrics
    token: bytes
    health: Callable[[], Health]
    about: Callable[[], Awaitable[Mapping[str, Any]]]
    reload: Callable[[], Awaitable[Any]]


def build(state: AdminState) -> web.Application:
    """Return the application of the admin listener."""
    admin = _Admin(state)
    app = web.Application(middlewares=[admin.guard])
    app.add_routes(
        [
            web.get("/", admin.console),
            web.get("/healthz", admin.healthz),
            web.get("/readyz", admin.readyz),
            web.get("/metrics", admin.metrics),
            web.get("/api/version", admin.version),
            web.get("/api/routes", admin.routes),
            web.get("/api/targets", admin.targets),
            web.get("/api/events", admin.events),
            web.get("/api/events/{id}", admin.event),
            web.get("/api/events/{id}/body", admin.body),
            web.get("/api/export", admin.export),
            web.get("/api/dead", admin.dead),
            web.post("/api/reload", admin.reload),
            web.post("/api/replay", admin.replay),
            web.post("/api/targets/{target}/{verb:pause|resume}", admin.steer),
        ]
    )
    return app


class _One(NamedTuple):
    """A collector of one family."""

    family: Metric

    def collect(self) -> Iterable[Metric]:
        return (self.family,)


def _next_text(families: Iterator[Metric]) -> bytes:
    """Return the next family as Prometheus reads it, nothing after the last."""
    family = next(families, None)
    return b"" if family is None else generate_latest(cast("Collector", _One(family)))


class _Admin:
    def __init__(self, state: AdminState) -> None:
        self._state = state
        self._counts = Counts()
        self._replayer = Replayer(state.store, state.lanes, state.routes, state.metrics)
        state.metrics.observe(self._snapshot)

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        """Let in who may; a page elsewhere can't reach through a browser on this machine."""
        if request.path not in _OPEN and not self._allowed(request):
            return _problem(401, "a token is needed: send authorization: Bearer …")
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            return _problem(error.status, error.reason)
        except Rejected as rejected:
            return _problem(rejected.reason.status, rejected.detail)
        except StoreUnavailable as error:
            return _problem(503, str(error))
        except Exception:  # noqa: BLE001 - our own fault is answered too
            _log.exception("admin_fault", path=request.path)
            return _problem(500, "this is our fault; the log says more")
        answer.headers["cache-control"] = "no-store"
        answer.headers["x-content-type-options"] = "nosniff"
        return answer

    def _allowed(self, request: web.Request) -> bool:
        if not self._state.token:
            host = request.headers.get("host", "")
            name, _, port = host.rpartition(":")
            # A browser says in one way or another for whom it asks: old ones know `origin` alone.
            origin = request.headers.get("origin", f"http://{host}")
            return (
                (name if port.isdigit() else host) in _LOOPBACK
                and request.raw_path.startswith("/")  # else it names a host of its own
                and origin.partition("://")[2] == host
                and request.headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
            )
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        return hmac.compare_digest(given, self._state.token)

    async def healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(self, _: web.Request) -> web.Response:
        why = self._state.health().unready
        if why:
            return web.json_response({"status": "not ready", "reason": why}, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(self, _: web.Request) -> web.Response:
        self._counts = await self._state.store.counts()
        return web.Response(body=self._exposed(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _exposed(self) -> AsyncIterator[bytes]:
        """Yield one family after the other, made in another thread: of thousands of targets all is megabytes."""
        families = iter(self._state.metrics.registry.collect())
        while text := await asyncio.to_thread(_next_text, families):
            yield text

    async def version(self, _: web.Request) -> web.Response:
        return web.json_response(dict(await self._state.about()))

    async def routes(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"routes": [describe(route) for route in self._state.routes().values()]}
        )

    async def targets(self, _: web.Request) -> web.Response:
        self._counts = await self._state.store.counts()
        snapshot = self._snapshot()
        return web.json_response(
            {
                "targets": [
                    {
                        "target": one.target,
                        "pending": one.pending,
                        "oldest_seconds": round(one.oldest, 3),
                        "dead": sum(one.dead.values()),
                        "breaker": one.breaker.name.lower(),
                        "paused": one.paused,
                    }
                    for one in snapshot.targets
                ]
            }
        )

    async def reload(self, _: web.Request) -> web.Response:
        """Read the configuration again: generation and digest, or all problems and nothing changed."""
        try:
            generation = await self._state.reload()
        except ConfigInvalid as error:
            problems = [asdict(problem) for problem in error.problems]
            said = {
                "type": "about:blank",
                "status": 422,
                "detail": "the configuration is not valid",
            }
            return web.json_response(
                said | {"problems": problems}, status=422, content_type="application/problem+json"
            )
        return web.json_response(asdict(generation))

    async def steer(self, request: web.Request) -> web.Response:
        """Pause or resume a target."""
        target = request.match_info["target"]
        lane = self._state.lanes.get(target)
        if lane is None:
            raise web.HTTPNotFound(reason=f"there is no target {target!r}")
        if request.match_info["verb"] == "pause":
            lane.pause()
            await self._state.store.pause(target, time.time())
        else:
            await self._state.store.resume(target)
            lane.resume()
        return web.json_response({"target": target, "paused": lane.paused})

    async def events(self, request: web.Request) -> web.Response:
        found = await self._state.store.events(_query(request))
        return web.json_response({"events": [shapes.event(record) for record in found]})

    async def event(self, request: web.Request) -> web.Response:
        found = await self._state.store.find(request.match_info["id"])
        if not found:
            raise web.HTTPNotFound(reason="there is no such event")
        return web.json_response({"events": [shapes.event(record) for record in found]})

    async def body(self, request: web.Request) -> web.Response:
        found = await self._state.store.find(request.match_info["id"])
        if not found:
            raise web.HTTPNotFound(reason="there is no such event")
        # As plain bytes: what a sender wrote must never run as a page of ours.
        return web.Response(body=found[0].event.raw, content_type="application/octet-stream")

    async def export(self, request: web.Request) -> web.Response:
        """Answer with a page of accepted events, the oldest first, as JSON Lines; `link` leads to the next."""
        query = replace(_query(request), limit=export.PAGE)
        after = parse_id(request.query.get("after", ""))
        walked = await self._state.store.walk(query, after[0] if after else 0, export.PAGE_BYTES)
        text = await asyncio.to_thread(export.lines, walked.events, self._body_limit)
        answer = web.Response(body=text, content_type=export.MEDIA_TYPE, charset="utf-8")
        if walked.beyond:
            following = request.rel_url.update_query(after=format_id(walked.beyond, 0))
            answer.headers["link"] = f'<{following}>; rel="next"'  # RFC 8288
        return answer

    def _body_limit(self, name: str) -> int:
        route = self._state.routes().get(name)
        return route.body_limit if route else export.PAGE_BYTES

    async def dead(self, request: web.Request) -> web.Response:
        found = await self._state.store.dead(_query(request))
        return web.json_response({"dead": [shapes.delivery(record) for record in found]})

    async def replay(self, request: web.Request) -> web.Response:
        """Replay what one event owed, let it out of quarantine, or replay the deliveries that are listed."""
        try:
            asked = decode_json(await read_body(request, _BODY, _PATIENCE))
            deliveries = asked.get("deliveries")
            event_id, target = str(asked.get("id", "")), str(asked.get("target", ""))
        except AttributeError:
            raise web.HTTPBadRequest(reason=_REPLAY) from None
        try:
            if isinstance(deliveries, list):
                return web.json_response({"replayed": await self._replayer.deliveries(deliveries)})
            if not event_id:
                raise web.HTTPBadRequest(reason=_REPLAY)
            found = await self._state.store.find(event_id)
            if not found:
                raise web.HTTPNotFound(reason="there is no such event")
            replayed = await self._replayer.event(found[0], target)
        except CannotReplay as error:
            return _problem(422, str(error))
        return web.json_response({"id": found[0].event.id, "replayed": replayed})

    async def console(self, _: web.Request) -> web.Response:
        self._counts = await self._state.store.counts()
        events = await self._state.store.events(Query(limit=20))
        dead = await self._state.store.dead(Query(limit=20))
        # Imported by who looks at it first, and not in the loop: templates are no part of the start.
        pages = await asyncio.to_thread(import_module, "relay.admin.console")
        text = pages.page(
            about=await self._state.about(),
            routes=[describe(route) for route in self._state.routes().values()],
            targets=self._snapshot().targets,
            events=[shapes.event(record) for record in events],
            dead=[shapes.delivery(record) for record in dead],
        )
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return web.Response(
            text=text, content_type="text/html", headers={"content-security-policy": policy}
        )

    def _snapshot(self) -> Snapshot:
        """Put together what the store counted and what is in the lanes' memory."""
        now, counts = steady(), self._counts
        dead: dict[str, dict[str, int]] = {}
        for (target, reason), count in counts.dead.items():
            dead.setdefault(target, {})[reason] = count
        names = sorted({*self._state.lanes, *counts.pending, *dead})
        targets = []
        for name in names:
            lane = self._state.lanes.get(name)
            stored = counts.oldest.get(name)
            oldest = max(now - stored, 0.0) if stored is not None else 0.0
            pending = counts.pending.get(name, 0)
            state = TargetState(name, pending, oldest, dead.get(name, {}))
            if lane is not None:
                state = replace(
                    state,
                    pending=pending + lane.in_memory,
                    oldest=max(oldest, lane.oldest_in_memory(now)),
                    breaker=lane.breaker_state,
                    paused=lane.paused,
                )
            targets.append(state)
        return Snapshot(tuple(targets), counts.bytes, counts.free)


def refuse(detail: str) -> web.Response:
    """Answer what is not HTTP; of `detail` the log gets what comes before the bytes, which may hold the token."""
    _log.info("admin_request_rejected", detail=detail.partition(":")[0])
    return _problem(400, "this is no HTTP/1.1 request")


def _query(request: web.Request) -> Query:
    given = request.query
    before = parse_id(given.get("before", ""))
    limit = given.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise web.HTTPBadRequest(reason="limit must be a whole number")
    return Query(
        route=given.get("route", ""),
        type=given.get("type", ""),
        target=given.get("target", ""),
        reason=given.get("reason", ""),
        quarantined=given.get("quarantined", "") == "true",
        since=_moment(given.get("since", "")),
        until=_moment(given.get("until", "")),
        before=before[0] if before else 0,
        limit=min(int(limit), _MOST),
    )


def _moment(text: str) -> float:
    """Return an RFC 3339 time in seconds since the epoch; 0 for none."""
    if not text:
        return 0.0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise web.HTTPBadRequest(reason="a time is written such as 2026-11-23T08:00:00Z") from None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH).total_seconds()
    return min(max(seconds, 0.001), _LAST)


def _problem(status: int, detail: str) -> web.Response:
    said = {"type": "about:blank", "status": status, "detail": detail}
    return web.Response(
        status=status, body=json.dumps(said).encode(), content_type="application/problem+json"
    )
