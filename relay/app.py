"""The composition root: a whole relay out of a checked configuration; start and stop it, or embed it."""

import asyncio
import platform
import time
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web

import relay
from relay import admin
from relay.breaker import BreakerPolicy
from relay.config import HttpTarget, Loaded
from relay.config.load import FileSettings, HttpSettings, TargetSettings
from relay.config.models import Retry
from relay.errors import Reason, StoreUnavailable
from relay.lane import Lane, LaneOptions, Room
from relay.metrics import Metrics
from relay.retry import RetryPolicy, by_schedule, exponential
from relay.sender import FileSender, HttpOptions, HttpSender, Sender
from relay.server import Server, ServerLimits
from relay.store import Commit, Pruned, Retention
from relay.stores.sqlite import SqliteStore

# Quick at first, then over two days; a target's `retry` replaces it.
DEFAULT_SCHEDULE = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0)
_HEADER_TIMEOUT = 15.0  # seconds for a connection to send headers, or to stay idle
_FIELD = 16380  # bytes of a header line
_log = structlog.get_logger("relay.app")


class Relay:
    """One relay: `start`, then `stop`. `public_port` and `admin_port` are known once it has started."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._tasks: list[asyncio.Task[None]] = []
        self._unready = "starting"
        self.metrics = Metrics()
        self.store = SqliteStore(loaded.store, observe=self._observe, linger=LINGER)
        self.lanes: dict[str, Lane] = {}
        self.public_port = 0
        self.admin_port = 0

    async def start(self) -> None:
        """Open the store, start the lanes, then listen; raises StoreUnusable or OSError."""
        loaded, config = self._loaded, self._loaded.config
        await self.store.open()
        buried = await self.store.bury(list(loaded.targets), Reason.TARGET_REMOVED.value, time.time())
        for target, count in buried.items():
            _log.warning("target_removed", target=target, dead_letters=count)
        room = Room(config.limits.memory)
        for name, settings in loaded.targets.items():
            self.metrics.add_target(name)
            self.lanes[name] = self._lane(name, settings, room)
        for route in loaded.routes.values():
            self.metrics.add_route(route)
            if any(scheme.name == "none" for scheme in route.schemes.values()):
                _log.warning("route_unverified", route=route.name, detail="anyone who reaches it is believed")
        self._tasks = [asyncio.create_task(lane.run()) for lane in self.lanes.values()]
        self._tasks.append(asyncio.create_task(self._prune()))
        self.server = Server(
            loaded.routes,
            self.lanes,
            self.store,
            self.metrics,
            ServerLimits(config.limits.waiting, config.limits.body_timeout),
            self.store.token,
        )
        self._public = web.ServerRunner(
            web.Server(
                self.server.handle,
                auto_decompress=False,
                keepalive_timeout=_HEADER_TIMEOUT,
                access_log=None,
                max_field_size=_FIELD,
            ),
            shutdown_timeout=config.limits.shutdown,
        )
        self.public_port = await _listen(self._public, config.listen)
        about = await self._about()
        self._admin = web.AppRunner(
            admin.build(
                admin.AdminState(
                    self.store,
                    self.lanes,
                    loaded.routes,
                    self.metrics,
                    loaded.admin_token,
                    lambda: self._unready,
                    about,
                )
            ),
            access_log=None,
            keepalive_timeout=_HEADER_TIMEOUT,
            shutdown_timeout=config.limits.shutdown,
        )
        self.admin_port = await _listen(self._admin, config.admin.listen)
        self._count_load(about)
        self._unready = ""

    async def stop(self) -> None:
        """Stop accepting, end what is in flight within the grace time, close the store. Loses nothing."""
        self._unready = "draining"
        self.server.draining = True
        grace = self._loaded.config.limits.shutdown
        for site in list(self._public.sites):
            await site.stop()
        await asyncio.gather(*(lane.stop(grace) for lane in self.lanes.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._public.cleanup()
        await self._admin.cleanup()
        await self.store.close()

    async def _prune(self) -> None:
        """Walk over what is old, a little at a time: on where something goes, slowly where all stays."""
        config = self._loaded.config.retention
        own = {
            route.name: route.retention
            for route in self._loaded.routes.values()
            if route.retention is not None
        }
        retention = Retention(config.events, config.dead, own)
        beyond = 0
        while True:
            try:
                pruned = await self.store.prune(retention, time.time(), beyond, PRUNE)
            except StoreUnavailable:
                pruned = Pruned(0, 0)
            beyond = pruned.beyond
            await asyncio.sleep(PRUNE_PAUSE if not beyond else 0.01 if pruned.events else 1.0)

    def _observe(self, commit: Commit) -> None:
        self.metrics.commit_duration.observe(commit.duration)
        self.metrics.commit_operations.observe(commit.operations)

    def _lane(self, name: str, settings: TargetSettings, room: Room) -> Lane:
        config = settings.config
        give_up_on = frozenset(config.give_up_on) if isinstance(config, HttpTarget) else frozenset[int]()
        concurrency = config.concurrency if isinstance(config, HttpTarget) else FILE_CONCURRENCY
        options = LaneOptions(name, _policy(config.retry), concurrency, give_up_on)
        if isinstance(config, HttpTarget):
            way = config.breaker
            breaker = BreakerPolicy(way.failures, way.cool_off, way.max_cool_off)
            options = replace(options, breaker=breaker, rate=config.rate)
        return Lane(
            options,
            _sender(settings),
            self.store,
            room,
            self.metrics,
            self._loaded.routes.get,
        )

    async def _about(self) -> dict[str, Any]:
        return {
            "version": relay.__version__,
            "python": platform.python_version(),
            "digest": self._loaded.digest,
            **await self.store.info(),
        }

    def _count_load(self, about: dict[str, Any]) -> None:
        self.metrics.generation.set(1)
        self.metrics.reload_ok.set(1)
        self.metrics.reload_at.set_to_current_time()
        self.metrics.build.labels(about["version"], about["python"], about["sqlite"]).set(1)


LINGER = 0.002  # seconds that a busy writer waits for more to commit together
PRUNE = 200  # events that are looked at together
PRUNE_PAUSE = 60.0  # seconds between two walks
FILE_CONCURRENCY = 256  # lines that may share one sync


def _policy(retry: Retry) -> RetryPolicy:
    if retry.exponential is not None:
        way = retry.exponential
        return exponential(way.initial, way.factor, way.max, way.attempts, retry.jitter, retry.max_age)
    waits = DEFAULT_SCHEDULE if retry.schedule is None else tuple(retry.schedule)
    return by_schedule(waits, retry.jitter, retry.max_age)


def _sender(settings: TargetSettings) -> Sender:
    match settings:
        case FileSettings():
            return FileSender(settings.path)
        case HttpSettings():
            config = settings.config
            return HttpSender(
                HttpOptions(
                    url=config.url,
                    method=config.method,
                    connect=config.timeout.connect,
                    total=config.timeout.total,
                    concurrency=config.concurrency,
                    headers=settings.headers,
                    signing_keys=settings.signing_keys,
                    user_agent=f"relay/{relay.__version__}",
                )
            )


async def _listen(runner: Any, address: str) -> int:
    host, _, port = address.rpartition(":")
    await runner.setup()
    site = web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024)
    await site.start()
    return int(runner.addresses[0][1])
