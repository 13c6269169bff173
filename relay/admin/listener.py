"""The admin listener's application: health, metrics, API and console behind one guard."""

import asyncio
from importlib import import_module

import structlog
from aiohttp import web

from relay.admin import exposition, views
from relay.admin.access import guard
from relay.admin.answer import problem
from relay.admin.api import Api
from relay.admin.state import AdminState
from relay.routing.route import describe
from relay.stores.records import Query

_log = structlog.get_logger("relay.admin")
_LATEST = 20  # events, and dead letters, on the console's page
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def build(state: AdminState) -> web.Application:
    """Return the application."""
    pages = _Pages(state)
    app = web.Application(middlewares=[guard(state.token)])
    app.add_routes(
        [
            web.get("/", pages.console),
            web.get("/healthz", pages.healthz),
            web.get("/readyz", pages.readyz),
            web.get("/metrics", pages.metrics),
            *Api(state).table(),
        ]
    )
    state.metrics.observe(state.snapshot)
    return app


def refuse(detail: str) -> web.Response:
    """Answer bytes that are not HTTP.

    The log gets `detail` up to the bytes themselves, which may hold the token.
    """
    _log.info("admin_request_rejected", detail=detail.partition(":")[0])
    return problem(400, "this is no HTTP/1.1 request")


class _Pages:
    """Answers outside of the API."""

    def __init__(self, state: AdminState) -> None:
        self._state = state

    async def healthz(self, _: web.Request) -> web.Response:
        """Say that the process lives."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Say whether events are taken, and if not, why."""
        if why := self._state.health().unready:
            return web.json_response({"status": "not ready", "reason": why}, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(self, _: web.Request) -> web.Response:
        """Give all series."""
        await self._state.count()
        text = exposition.families(self._state.metrics.registry)
        return web.Response(body=text, headers={"content-type": exposition.MEDIA_TYPE})

    async def console(self, _: web.Request) -> web.Response:
        """Give the console's page."""
        await self._state.count()
        events = await self._state.store.events(Query(limit=_LATEST))
        dead = await self._state.store.dead(Query(limit=_LATEST))
        # Imported by the first look at it, and not in the loop: the start needs no templates.
        pages = await asyncio.to_thread(import_module, "relay.admin.console")
        text = pages.page(
            about=await self._state.about(),
            routes=[describe(route) for route in self._state.routes().values()],
            targets=self._state.snapshot().targets,
            events=[views.event(record) for record in events],
            dead=[views.delivery(record) for record in dead],
        )
        return web.Response(
            text=text, content_type="text/html", headers={"content-security-policy": _POLICY}
        )
