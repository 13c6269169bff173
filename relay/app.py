"""The composition root: a whole relay out of a checked configuration, to run or to embed."""

import asyncio
import platform
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

import relay
from relay import admin
from relay.admin.health import Health, Phase
from relay.admin.server import AdminRunner
from relay.clock import steady
from relay.config import Loaded, SecretsMode, load
from relay.errors import ConfigInvalid, DeliveryReason, Problem, StoreUnavailable
from relay.http import aiohttp_client
from relay.http.listener import Listener
from relay.lanes.fit import Lanes
from relay.metrics.restore import Restorer
from relay.metrics.series import Metrics
from relay.public.admission import ServerLimits
from relay.public.server import Server
from relay.routing.recent import RecentBodies
from relay.routing.route import Route
from relay.stores.records import Commit, Retention
from relay.stores.sqlite.engine import SqliteStore
from relay.stores.upkeep import is_full, prune

_FIELD = 16380  # bytes of a header line
_log = structlog.get_logger("relay.app")


@dataclass(frozen=True, slots=True)
class Generation:
    """Which configuration runs: how many were loaded, and the digest of its files."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds that no configuration sets.

    In seconds: `head` for a connection to send a request's head, or to stay idle; `admin_body` for
    a body on the admin listener; `late` for connections that are not idle when the time to end has
    come; `disk` between two looks at the free space; `busy` that a foreign lock on the store's file
    is waited for. `export_page`: events that a page of an export looks at.
    """

    head: float = 15.0
    admin_body: float = 10.0
    late: float = 2.0
    disk: float = 1.0
    busy: float = 5.0
    export_page: int = 1000


class Relay:
    """One relay: `start`, then `stop`.

    `public_port` and `admin_port` are known once it has started.

    `failed` is set when the store can be trusted no more: then stop, and end the process. `stuck`
    says, after `stop`, that a thread does not end.
    """

    def __init__(self, loaded: Loaded, bounds: Bounds | None = None) -> None:
        limits = loaded.config.limits
        self._loaded = loaded
        self._bounds = bounds or Bounds()
        self._phase = Phase.STARTING
        self._failure = ""
        self._reloading = asyncio.Lock()
        self._undo = AsyncExitStack()
        self._background: list[asyncio.Task[None]] = []
        self.generation = Generation(1, loaded.digest)
        self.metrics = Metrics()
        self.store = SqliteStore(
            loaded.store,
            observe=self._observe,
            failed=self._store_failed,
            busy=self._bounds.busy,
        )
        self._recent = RecentBodies()
        self.lanes = Lanes(
            self.store.delivering,
            self.metrics,
            self._route,
            self._recent,
            memory=limits.memory,
            grace=limits.shutdown,
        )
        self.failed = asyncio.Event()
        self.stuck = False
        self.public_port = 0
        self.admin_port = 0

    async def start(self) -> None:
        """Open the store, start the lanes, then listen; a start that fails undoes itself.

        Raises StoreUnusable if the store can't be opened, OSError if an address can't be had,
        LibraryUnusable if the installed aiohttp is not one that the relay knows.
        """
        aiohttp_client.check()
        async with AsyncExitStack() as undo:
            await self.store.open()
            undo.push_async_callback(self.store.close)
            await self._bury()
            self.server = self._make_server()
            self._public, self._admin = self._make_listeners()
            # Undone from the bottom: connections are cleaned up once their requests were answered,
            # since aiohttp reads nothing more of a connection that is to be closed.
            undo.push_async_callback(self._admin.cleanup)
            undo.push_async_callback(self._public.cleanup)
            undo.push_async_callback(self._end_background)
            undo.push_async_callback(self._end_traffic)
            await self.lanes.fit(self._loaded.targets)
            restorer = Restorer(self.store.asking, self.metrics.payload, self._route)
            self._serve_routes()
            await self._check_disk()
            for work in (
                prune(self.store.operating, self._retention),
                restorer.run(),
                self._watch_disk(),
            ):
                self._background.append(asyncio.create_task(work))
            config = self._loaded.config
            self.public_port = await _listen(self._public, config.listen)
            self.admin_port = await _listen(self._admin, config.admin.listen)
            about = await self._about()
            self.metrics.build.labels(about["version"], about["python"], about["sqlite"]).set(1)
            self._count_load()
            self._undo = undo.pop_all()
        self._phase = Phase.SERVING

    async def stop(self) -> None:
        """Take no more, let attempts end within the grace time, close the store. Loses nothing."""
        self._phase = Phase.DRAINING
        await self._undo.aclose()

    async def reload(self) -> Generation:
        """Read all files again and run on them, or raise ConfigInvalid and change nothing.

        Pending deliveries of a target that is gone become dead letters, to be replayed when it is
        back.
        """
        async with self._reloading:
            try:
                fresh = await asyncio.to_thread(load, self._loaded.path, SecretsMode.CREATE)
                _check_lasting(self._loaded, fresh)
            except ConfigInvalid as error:
                self.metrics.reload_ok.set(0)
                _log.error("reload_failed", problems=[str(problem) for problem in error.problems])
                raise
            except Exception:
                self.metrics.reload_ok.set(0)
                _log.exception("reload_fault")
                raise
            self._loaded = fresh
            self.generation = Generation(self.generation.number + 1, fresh.digest)
            self._serve_routes()
            await self.lanes.fit(fresh.targets)
            await self._bury()
            self._count_load()
            _log.info("reloaded", generation=self.generation.number, digest=fresh.digest)
            return self.generation

    def _make_server(self) -> Server:
        limits = self._loaded.config.limits
        return Server(
            self.lanes,
            self.store.writing,
            self.metrics,
            ServerLimits(limits.waiting, limits.pending, limits.requests, limits.body_timeout),
            self._recent,
        )

    def _make_listeners(self) -> tuple[web.ServerRunner, AdminRunner]:
        """Return what runs the public and the admin listener."""
        public = web.ServerRunner(
            Listener(
                self.server.handle,
                self.server.refuse,
                auto_decompress=False,
                keepalive_timeout=self._bounds.head,
                max_field_size=_FIELD,
            ),
            shutdown_timeout=self._bounds.late,
        )
        state = admin.AdminState(
            store=self.store.asking,
            delivering=self.store.delivering,
            operating=self.store.operating,
            lanes=self.lanes,
            routes=lambda: self._loaded.routes,
            metrics=self.metrics,
            token=self._loaded.admin_token,
            health=self._health,
            about=self._about,
            reload=self.reload,
            patience=self._bounds.admin_body,
            export_page=self._bounds.export_page,
        )
        return public, AdminRunner(
            admin.build(state),
            admin.refuse,
            auto_decompress=False,
            keepalive_timeout=self._bounds.head,
            shutdown_timeout=self._bounds.late,
        )

    async def _end_traffic(self) -> None:
        """Take no connections, then no requests, and let requests and deliveries under way end.

        Side by side, since both may take the whole grace time.
        """
        await asyncio.gather(self._stop_listening(), self._stop_lanes())

    async def _stop_listening(self) -> None:
        for site in list(self._public.sites):
            await site.stop()
        await self.server.drain(self._loaded.config.limits.shutdown)

    async def _stop_lanes(self) -> None:
        """Stop the lanes, after a reload that is under way unless that hangs; none begins then."""
        try:
            await asyncio.wait_for(self._reloading.acquire(), self._loaded.config.limits.shutdown)
        except TimeoutError:
            self.stuck = True
            _log.warning(
                "reload_abandoned", detail="a route's code does not end while it is imported"
            )
        await self.lanes.stop()

    async def _end_background(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def _serve_routes(self) -> None:
        for route in self._loaded.routes.values():
            self.metrics.add_route(route)
            if any(scheme.name == "none" for scheme in route.schemes.values()):
                _log.warning(
                    "route_unverified", route=route.name, detail="anyone who reaches it is believed"
                )
        self.metrics.payload.fit(self._loaded.routes)
        self.server.serve(self._loaded.routes)

    async def _bury(self) -> None:
        kept = list(self._loaded.targets)
        try:
            buried = await self.store.operating.bury(
                kept, DeliveryReason.TARGET_REMOVED.value, steady()
            )
        except (
            StoreUnavailable
        ) as error:  # what waits for them is buried at the next reload or start
            _log.error("targets_not_buried", detail=str(error))
            return
        for target, count in buried.items():
            _log.warning("target_removed", target=target, dead_letters=count)

    def _retention(self) -> Retention:
        config, routes = self._loaded.config.retention, self._loaded.routes.values()
        own = {route.name: route.retention for route in routes if route.retention is not None}
        return Retention(config.events, config.dead, own)

    async def _watch_disk(self) -> None:
        while True:
            await asyncio.sleep(self._bounds.disk)
            await self._check_disk()

    async def _check_disk(self) -> None:
        """Take no events while the disk is nearly full: accepted ones need space to be settled."""
        least = self._loaded.config.limits.disk
        full, free = await is_full(self.store.writing, least)
        if full is not self.server.disk_full:
            self.server.disk_full = full
            _log.warning("disk_nearly_full" if full else "disk_has_space", free=free, least=least)

    def _health(self) -> Health:
        return Health(self._phase, self._failure, self.store.writing.fault, self.server.disk_full)

    def _route(self, name: str) -> Route | None:
        return self._loaded.routes.get(name)

    def _store_failed(self, error: Exception) -> None:
        self._failure = str(error)
        _log.critical("store_failed", detail=str(error))
        self.failed.set()

    def _observe(self, commit: Commit) -> None:
        self.metrics.commit_duration.observe(commit.duration)
        self.metrics.commit_operations.observe(commit.operations)
        if commit.error:
            self.metrics.commit_failures.inc()

    async def _about(self) -> dict[str, Any]:
        return {
            "version": relay.__version__,
            "python": platform.python_version(),
            "digest": self.generation.digest,
            "generation": self.generation.number,
            **await self.store.asking.info(),
        }

    def _count_load(self) -> None:
        self.metrics.generation.set(self.generation.number)
        self.metrics.reload_ok.set(1)
        self.metrics.reload_at.set_to_current_time()


def _check_lasting(now: Loaded, fresh: Loaded) -> None:
    """Raise ConfigInvalid if something changed that only a restart can change."""
    before, after = now.config, fresh.config
    changed = {
        "listen": before.listen != after.listen,
        "admin": before.admin != after.admin or now.admin_token != fresh.admin_token,
        "state": now.state != fresh.state,
        "store": now.store != fresh.store,
        "limits": before.limits != after.limits,
    } | {
        f"targets.{name}.partitions": now.targets[name].lane.partitions != target.lane.partitions
        for name, target in fresh.targets.items()
        if name in now.targets
    }
    problems = [
        Problem(
            str(fresh.path),
            1,
            1,
            f"{name} was changed",
            "restart the relay for this; nothing is lost",
        )
        for name, is_changed in changed.items()
        if is_changed
    ]
    if problems:
        raise ConfigInvalid(problems)


async def _listen(runner: Any, address: str) -> int:
    host, _, port = address.rpartition(":")
    await runner.setup()
    site = web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024)
    await site.start()
    return int(runner.addresses[0][1])
