"""The admin API's handlers: routes, targets, events and dead letters, shown and steered by JSON."""

import asyncio
from dataclasses import asdict, replace

from aiohttp import web

from relay.admin import export, views
from relay.admin.answer import problem
from relay.admin.query import read_query
from relay.admin.replay import CannotReplay, Replayer
from relay.admin.state import AdminState
from relay.clock import steady
from relay.errors import ConfigInvalid
from relay.event import format_id, parse_id
from relay.http.body import read_body
from relay.routing.body import decode_json
from relay.routing.route import describe
from relay.stores.records import EventRecord

_BODY = 1 << 20  # bytes of a request's body
_REPLAY = (
    'send {"id": "…", "target": "…"}, or {"deliveries": [{"event": "…", "n": 0, "target": "…"}]}'
)


class Api:
    """Answers under `/api`."""

    def __init__(self, state: AdminState) -> None:
        self._state = state
        self._replayer = Replayer(state.operating, state.lanes, state.routes, state.metrics)

    def table(self) -> list[web.RouteDef]:
        """Return which handler answers which path."""
        return [
            web.get("/api/version", self.version),
            web.get("/api/routes", self.routes),
            web.get("/api/targets", self.targets),
            web.get("/api/events", self.events),
            web.get("/api/events/{id}", self.event),
            web.get("/api/events/{id}/body", self.body),
            web.get("/api/export", self.export),
            web.get("/api/dead", self.dead),
            web.post("/api/reload", self.reload),
            web.post("/api/replay", self.replay),
            web.post("/api/targets/{target}/{verb:pause|resume}", self.steer),
        ]

    async def version(self, _: web.Request) -> web.Response:
        """Tell which relay runs, on what, with which configuration."""
        return web.json_response(dict(await self._state.about()))

    async def routes(self, _: web.Request) -> web.Response:
        """List the routes with their paths and forwards."""
        routes = self._state.routes().values()
        return web.json_response({"routes": [describe(route) for route in routes]})

    async def targets(self, _: web.Request) -> web.Response:
        """List the targets with their backlog and breaker."""
        await self._state.count()
        states = self._state.snapshot().targets
        return web.json_response({"targets": [views.target(state) for state in states]})

    async def events(self, request: web.Request) -> web.Response:
        """List events, the newest first."""
        records = await self._state.store.events(read_query(request.query))
        return web.json_response({"events": [views.event(record) for record in records]})

    async def event(self, request: web.Request) -> web.Response:
        """Tell the events of an id, the relay's or the sender's, with the fate of all they owe."""
        records = await self._find(request.match_info["id"])
        return web.json_response({"events": [views.event(record) for record in records]})

    async def body(self, request: web.Request) -> web.Response:
        """Give an event's bytes as they came: never as a page of ours, a sender wrote them."""
        records = await self._find(request.match_info["id"])
        return web.Response(body=records[0].event.raw, content_type="application/octet-stream")

    async def export(self, request: web.Request) -> web.Response:
        """Give a page of accepted events as JSON Lines, the oldest first; `link` leads on."""
        query = replace(read_query(request.query), limit=self._state.export_page)
        after = parse_id(request.query.get("after", ""))
        page = await self._state.store.walk(query, after[0] if after else 0, export.PAGE_BYTES)
        text = await asyncio.to_thread(export.lines, page.events, self._body_limit)
        answer = web.Response(body=text, content_type=export.MEDIA_TYPE, charset="utf-8")
        if page.beyond:
            following = request.rel_url.update_query(after=format_id(page.beyond, 0))
            answer.headers["link"] = f'<{following}>; rel="next"'  # RFC 8288
        return answer

    async def dead(self, request: web.Request) -> web.Response:
        """List dead letters, the newest events' first."""
        records = await self._state.store.dead(read_query(request.query))
        return web.json_response({"dead": [views.delivery(record) for record in records]})

    async def reload(self, _: web.Request) -> web.Response:
        """Read the configuration again: answer with its generation, or with all problems."""
        try:
            generation = await self._state.reload()
        except ConfigInvalid as error:
            problems = [asdict(fault) for fault in error.problems]
            return problem(422, "the configuration is not valid", problems=problems)
        return web.json_response(asdict(generation))

    async def replay(self, request: web.Request) -> web.Response:
        """Replay what one event owed, let it out of quarantine, or replay the listed deliveries."""
        try:
            body = decode_json(await read_body(request, _BODY, self._state.patience))
            deliveries = body.get("deliveries")
            event_id, target = str(body.get("id", "")), str(body.get("target", ""))
        except AttributeError:
            raise web.HTTPBadRequest(reason=_REPLAY) from None
        try:
            if isinstance(deliveries, list):
                targets = await self._replayer.deliveries(deliveries)
                return web.json_response({"replayed": targets})
            if not event_id:
                raise web.HTTPBadRequest(reason=_REPLAY)
            (record, *_) = await self._find(event_id)
            targets = await self._replayer.event(record, target)
        except CannotReplay as error:
            return problem(422, str(error))
        return web.json_response({"id": record.event.id, "replayed": targets})

    async def steer(self, request: web.Request) -> web.Response:
        """Pause or resume a target; either outlasts a restart."""
        target = request.match_info["target"]
        lane = self._state.lanes.get(target)
        if lane is None:
            raise web.HTTPNotFound(reason=f"there is no target {target!r}")
        if request.match_info["verb"] == "pause":
            lane.pause()
            await self._state.delivering.pause(target, steady())
        else:
            await self._state.delivering.resume(target)
            lane.resume()
        return web.json_response({"target": target, "paused": lane.paused})

    async def _find(self, event_id: str) -> list[EventRecord]:
        records = await self._state.store.find(event_id)
        if not records:
            raise web.HTTPNotFound(reason="there is no such event")
        return records

    def _body_limit(self, name: str) -> int:
        route = self._state.routes().get(name)
        return route.body_limit if route else export.PAGE_BYTES
