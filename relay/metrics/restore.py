"""Restores gauges from the stored events, little by little, beside the traffic."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from relay.errors import Rejected
from relay.event import Event
from relay.metrics.own import PayloadMetrics, Restoring
from relay.routing.check import stored_scope
from relay.routing.measure import observe
from relay.routing.route import Route
from relay.stores.contract import Asking
from relay.stores.records import Query

_log = structlog.get_logger("relay.metrics.restore")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is restored at a time.

    A page has at most `events`, and about `bytes` of bodies. After `work` seconds the loop is
    given to others for as long. A store that can't be read is asked again after `pause` seconds.
    """

    events: int = 500
    bytes: int = 4 << 20
    work: float = 0.002
    pause: float = 1.0


_PACE = Pace()


class Restorer:
    """Restores the gauges that `metrics` has not restored yet, one route after the other.

    `routes` gives a route by its name.
    """

    def __init__(
        self,
        store: Asking,
        metrics: PayloadMetrics,
        routes: Callable[[str], Route | None],
        pace: Pace = _PACE,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._routes = routes
        self._pace = pace
        self._unrestored = asyncio.Event()
        metrics.on_unrestored = self._unrestored.set

    async def run(self) -> None:
        """Restore until cancelled."""
        while True:
            self._unrestored.clear()
            while self._metrics.unrestored:
                name = next(iter(self._metrics.unrestored))
                route = self._routes(name)
                if route is None:
                    del self._metrics.unrestored[name]
                    continue
                try:
                    await self._restore(route)
                # Whatever the engine raises: the gauges can wait, the relay goes on.
                except Exception:  # noqa: BLE001
                    _log.exception("gauges_not_restored", route=name)
                    self._metrics.unrestored[name] = None
                    await asyncio.sleep(self._pace.pause)
            await self._unrestored.wait()

    async def _restore(self, route: Route) -> None:
        began = time.perf_counter()
        restoring = self._metrics.begin(route)
        query = Query(route=route.name, limit=self._pace.events)
        events = failed = beyond = 0
        while True:
            restoring.forget_meanwhile()
            page = await self._store.walk(query, beyond, self._pace.bytes)
            events += len(page.events)
            failed += await self._add(route, restoring, page.events)
            beyond = page.beyond
            if not beyond:
                break
        if self._metrics.finish(restoring):
            seconds = round(time.perf_counter() - began, 3)
            _log.info(
                "gauges_restored", route=route.name, events=events, failed=failed, seconds=seconds
            )

    async def _add(self, route: Route, restoring: Restoring, events: list[Event]) -> int:
        """Add a page of events; return how many observations failed."""
        failed = 0
        since = time.perf_counter()
        for event in events:
            try:
                scope = stored_scope(route, event)
            # The route takes no such body any more.
            except Rejected:
                failed += 1
                continue
            observed = observe(restoring.measures, scope, route.time_limit)
            failed += len(observed.failures)
            self._metrics.refuse(route.name, restoring.add(event.seq, observed.observations))
            if time.perf_counter() - since > self._pace.work:
                await asyncio.sleep(self._pace.work)
                since = time.perf_counter()
        return failed
