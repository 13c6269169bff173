"""The composition root: a whole relay out of a checked configuration; start, reload, stop, or embed it."""

import asyncio
import platform
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

import relay
from relay import admin
from relay.admin.server import StrictRunner
from relay.clock import steady
from relay.config import Loaded, SecretsMode, load
from relay.errors import ConfigInvalid, DeliveryReason, Problem, StoreUnavailable
from relay.lanes.fit import Lanes, partitions
from relay.metrics.restore import Restorer
from relay.metrics.series import Metrics
from relay.public.connection import Listener
from relay.public.server import Server, ServerLimits
from relay.routing.route import Route
from relay.stores.contract import Commit, Pruned, Retention
from relay.stores.sqlite.engine import SqliteStore

PRUNE = 200  # events that are looked at together
PRUNE_PAUSE = 60.0  # seconds between two walks
DISK_PAUSE = 1.0  # seconds between two looks at the free space
_HEADER_TIMEOUT = 15.0  # seconds for a connection to send headers, or to stay idle
_LATE = 2.0  # seconds for connections that are not idle when the time to end has come
_FIELD = 16380  # bytes of a header line
_log = structlog.get_logger("relay.app")


@dataclass(frozen=True, slots=True)
class Generation:
    """Which configuration runs: how many were loaded, and the digest of its files."""

    number: int
    digest: str


class Relay:
    """One relay: `start`, then `stop`. `public_port` and `admin_port` are known once it has started.

    `failed` is set when the store can be trusted no more: then stop, and end the process. `stuck` says that a
    thread does not end, after `stop`.
    """

    def __init__(self, loaded: Loaded) -> None:
        limits = loaded.config.limits
        self._loaded = loaded
        self._unready = "starting"
        self._reloading = asyncio.Lock()
        self.generation = Generation(1, loaded.digest)
        self.metrics = Metrics()
        self.store = SqliteStore(loaded.store, observe=self._observe, failed=self._store_failed)
        self.lanes = Lanes(
            self.store,
            self.metrics,
            self._route,
            memory=limits.memory,
            grace=limits.shutdown,
            user_agent=f"relay/{relay.__version__}",
        )
        self.failed = asyncio.Event()
        self.stuck = False
        self.public_port = 0
        self.admin_port = 0

    async def start(self) -> None:
        """Open the store, start the lanes, then listen; raises StoreUnusable or OSError."""
        config = self._loaded.config
        limits = config.limits
        await self.store.open()
        await self._bury()
        await self.lanes.fit(self._loaded.targets)
        self._pruning = asyncio.create_task(self._prune())
        self._restorer = Restorer(self.store, self.metrics.payload, self._route)
        self.server = Server(
            self.lanes,
            self.store,
            self.metrics,
            ServerLimits(limits.waiting, limits.pending, limits.requests, limits.body_timeout),
            self.store.token,
        )
        self._serve_routes()
        self._restoring = asyncio.create_task(self._restorer.run())
        await self._check_disk()
        self._watching = asyncio.create_task(self._watch_disk())
        self._public = web.ServerRunner(
            Listener(
                self.server.handle,
                self.server.refuse,
                auto_decompress=False,
                keepalive_timeout=_HEADER_TIMEOUT,
                access_log=None,
                max_field_size=_FIELD,
            ),
            shutdown_timeout=_LATE,
        )
        self.public_port = await _listen(self._public, config.listen)
        self._admin = StrictRunner(
            admin.build(
                admin.AdminState(
                    store=self.store,
                    lanes=self.lanes,
                    routes=lambda: self._loaded.routes,
                    metrics=self.metrics,
                    token=self._loaded.admin_token,
                    ready=self._why_unready,
                    about=self._about,
                    reload=self.reload,
                )
            ),
            admin.refuse,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=_HEADER_TIMEOUT,
            shutdown_timeout=_LATE,
        )
        self.admin_port = await _listen(self._admin, config.admin.listen)
        about = await self._about()
        self.metrics.build.labels(about["version"], about["python"], about["sqlite"]).set(1)
        self._count_load()
        self._unready = ""

    async def stop(self) -> None:
        """Stop accepting, end what is in flight within the grace time, close the store. Loses nothing."""
        self._unready = "draining"
        # Together: both may take the whole grace time.
        await asyncio.gather(self._stop_listening(), self._stop_lanes())
        background = (self._pruning, self._watching, self._restoring)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        # Not before: of a connection that is to be closed aiohttp reads nothing more.
        await self._public.cleanup()
        await self._admin.cleanup()
        await self.store.close()

    async def reload(self) -> Generation:
        """Read all files again and run on them, or raise ConfigInvalid and change nothing.

        What is pending for a target that is gone becomes dead letters, which can be replayed once it is back.
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

    async def _stop_listening(self) -> None:
        """Take no connections, then no requests, and let those under way be answered."""
        for site in list(self._public.sites):
            await site.stop()
        await self.server.drain(self._loaded.config.limits.shutdown)

    async def _stop_lanes(self) -> None:
        """Stop the lanes, after a reload that is under way, unless that hangs; none begins any more."""
        try:
            await asyncio.wait_for(self._reloading.acquire(), self._loaded.config.limits.shutdown)
        except TimeoutError:
            self.stuck = True
            _log.warning(
                "reload_abandoned", detail="code of a route does not end while it is imported"
            )
        await self.lanes.stop()

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
            buried = await self.store.bury(kept, DeliveryReason.TARGET_REMOVED.value, steady())
        except (
            StoreUnavailable
        ) as error:  # what waits for them is buried at the next reload or start
            _log.error("targets_not_buried", detail=str(error))
            return
        for target, count in buried.items():
            _log.warning("target_removed", target=target, dead_letters=count)

    async def _prune(self) -> None:
        """Walk over what is old, a little at a time: on where something goes, slowly where all stays."""
        beyond = 0
        while True:
            config, routes = self._loaded.config.retention, self._loaded.routes.values()
            own = {route.name: route.retention for route in routes if route.retention is not None}
            retention = Retention(config.events, config.dead, own)
            try:
                pruned = await self.store.prune(retention, steady(), beyond, PRUNE)
            except StoreUnavailable:
                pruned = Pruned(0, 0)
            beyond = pruned.beyond
            await asyncio.sleep(PRUNE_PAUSE if not beyond else 0.01 if pruned.events else 1.0)

    async def _watch_disk(self) -> None:
        while True:
            await asyncio.sleep(DISK_PAUSE)
            await self._check_disk()

    async def _check_disk(self) -> None:
        """Take no events while the disk is nearly full: what is accepted already needs space to be settled."""
        least = self._loaded.config.limits.disk
        free = await asyncio.to_thread(self.store.free)
        full = free < least
        if full is not self.server.disk_full:
            self.server.disk_full = full
            _log.warning("disk_nearly_full" if full else "disk_has_space", free=free, least=least)

    def _why_unready(self) -> str:
        if self._unready:
            return self._unready
        if self.store.fault:
            return f"the store can't commit: {self.store.fault}"
        return "the disk is nearly full" if self.server.disk_full else ""

    def _route(self, name: str) -> Route | None:
        return self._loaded.routes.get(name)

    def _store_failed(self, error: Exception) -> None:
        self._unready = f"the store failed: {error}"
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
            **await self.store.info(),
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
        f"targets.{name}.partitions": partitions(now.targets[name]) != partitions(target)
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
