"""All lanes of a relay, fitted to the targets' settings, and refitted without losing anything."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping

import structlog

from relay.clock import steady
from relay.errors import StoreUnavailable
from relay.lanes.lane import Lane
from relay.lanes.partitions import Partitions
from relay.lanes.room import Room
from relay.metrics.series import Metrics
from relay.routing.recent import RecentBodies
from relay.routing.route import Route
from relay.stores.contract import Delivering
from relay.targets.target import TargetSettings

_log = structlog.get_logger("relay.lanes.fit")


class Lanes(dict[str, Partitions]):
    """The lanes by their targets' names; `grace` is in seconds: for attempts in flight to end."""

    def __init__(
        self,
        store: Delivering,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
        recent: RecentBodies,
        *,
        memory: int,
        grace: float,
    ) -> None:
        super().__init__()
        self._store = store
        self._metrics = metrics
        self._routes = routes
        self._recent = recent
        self._room = Room(memory)
        self._grace = grace
        self._settings: dict[str, TargetSettings] = {}
        self._feeders: dict[str, asyncio.Task[None]] = {}

    async def fit(self, targets: Mapping[str, TargetSettings]) -> None:
        """Make, change and remove lanes so that they are those of `targets`.

        A lane that stays keeps its queue, breaker and rate; if nothing changed, its connections.
        """
        paused = await self._store.paused()
        new = {name: settings for name, settings in targets.items() if name not in self}
        with contextlib.suppress(StoreUnavailable):  # it would only have come sooner
            waits = {name: settings.lane.longest_wait for name, settings in new.items()}
            await self._store.hasten(waits, steady())
        divided = await self._store.divided() if new else {}
        for name, settings in targets.items():
            lane = self.get(name)
            if lane is None:
                if settings.lane.partitions != divided.get(name, 1):
                    await self._store.divide(name, settings.lane.partitions)
                self._add(name, settings, paused=name in paused)
            elif settings != self._settings[name]:
                lane.change(settings.lane, settings.open)
            self._settings[name] = settings
        for name in [name for name in self if name not in targets]:
            del self._settings[name]
            lane = self.pop(name)
            await lane.remove(self._grace)
            await self._end_feeding(name)
        for name in paused - targets.keys():
            with contextlib.suppress(StoreUnavailable):  # the next reload or start does it
                await self._store.resume(name)  # whoever gets this name next begins afresh

    async def stop(self) -> None:
        """Let attempts in flight end, and drop the rest from memory: it stands in the store."""
        await asyncio.gather(*(self._stop(name, lane) for name, lane in self.items()))

    def _add(self, name: str, settings: TargetSettings, *, paused: bool) -> None:
        self._metrics.add_target(name)
        options = settings.lane
        lanes = [
            Lane(
                options,
                settings.open(),
                self._store,
                self._room,
                self._metrics,
                self._routes,
                self._recent,
                # Random, so that no lane after a restart, and none of another node, has the same.
                token=secrets.randbits(62),
                partition=partition,
            )
            for partition in range(options.partitions)
        ]
        lane = Partitions(lanes)
        if paused:
            lane.pause()
            _log.warning("target_paused", target=name, detail="as it was before; resume it by hand")
        self[name] = lane
        self._feeders[name] = asyncio.create_task(lane.run())

    async def _stop(self, name: str, lane: Partitions) -> None:
        await lane.stop(self._grace)
        await self._end_feeding(name)

    async def _end_feeding(self, name: str) -> None:
        feeder = self._feeders.pop(name)
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
