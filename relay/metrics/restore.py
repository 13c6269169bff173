"""Restores gauges from the stored events, in the background: little by little, so that nothing waits for it."""

import asyncio
import time
from collections.abc import Callable

import structlog

from relay.errors import Rejected
from relay.event import Event
from relay.metrics.own import PayloadMetrics, Restoring
from relay.routing.check import stored_scope
from relay.routing.measure import observe
from relay.routing.route import Route
from relay.stores.contract import Asking
from relay.stores.records import Query

_LOOK = 500  # events that the store looks at together
_BYTES = 4 << 20  # bytes of bodies that come together
_SLICE = 0.002  # seconds of work, then as long for others
_PAUSE = 1.0  # seconds until a store that could not be read is asked again
_log = structlog.get_logger("relay.metrics.restore")


class Restorer:
    """Restores what `metrics` wants restored, one route after the other; `routes` gives a route by its name."""

    def __init__(
        self, store: Asking, metrics: PayloadMetrics, routes: Callable[[str], Route | None]
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._routes = routes
        self._poked = asyncio.Event()
        metrics.wanted = self._poked.set

    async def run(self) -> None:
        """Restore until cancelled."""
        while True:
            self._poked.clear()
            while self._metrics.unrestored:
                name = next(iter(self._metrics.unrestored))
                route = self._routes(name)
                if route is None:
                    del self._metrics.unrestored[name]
                    continue
                try:
                    await self._restore(route)
                except Exception:  # noqa: BLE001 - whatever the engine raises: gauges can wait, the relay goes on
                    _log.exception("gauges_not_restored", route=name)
                    self._metrics.unrestored[name] = None
                    await asyncio.sleep(_PAUSE)
            await self._poked.wait()

    async def _restore(self, route: Route) -> None:
        began = time.perf_counter()
        made = self._metrics.begin(route)
        events = failed = beyond = 0
        while True:
            made.forget()
            walked = await self._store.walk(Query(route=route.name, limit=_LOOK), beyond, _BYTES)
            events += len(walked.events)
            failed += await self._take(route, made, walked.events)
            beyond = walked.beyond
            if not beyond:
                break
        if self._metrics.finish(made):
            took = round(time.perf_counter() - began, 3)
            _log.info(
                "gauges_restored", route=route.name, events=events, failed=failed, seconds=took
            )

    async def _take(self, route: Route, made: Restoring, events: list[Event]) -> int:
        """Take a page of events; return how many observations could not be made."""
        failed = 0
        since = time.perf_counter()
        for event in events:
            try:
                scope = stored_scope(route, event)
            except Rejected:  # the route takes no such body any more
                failed += 1
                continue
            said = observe(made.measures, scope, route.time_limit)
            failed += len(said.failures)
            self._metrics.refuse(route.name, made.take(event.seq, said.observations))
            if time.perf_counter() - since > _SLICE:
                await asyncio.sleep(_SLICE)
                since = time.perf_counter()
        return failed
