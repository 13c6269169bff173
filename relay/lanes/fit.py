"""All lanes of a relay: made from the targets' settings, and fitted to new ones without losing what they hold."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import structlog

from relay.clock import steady
from relay.config import FeedTarget, HttpTarget
from relay.config.load import FeedSettings, FileSettings, HttpSettings, TargetSettings
from relay.config.models import Retry
from relay.delivery.breaker import BreakerPolicy
from relay.delivery.retry import RETRY_AFTER_CAP, RetryPolicy, by_schedule, exponential
from relay.errors import StoreUnavailable
from relay.lanes.lane import Lane, LaneOptions, Room
from relay.lanes.partitions import AnyLane, Partitions
from relay.metrics.series import Metrics
from relay.routing.route import Route
from relay.stores.contract import Store
from relay.targets.atom import FeedOptions
from relay.targets.feed import NO_ENTRY, FeedSender
from relay.targets.http import FileSender, HttpOptions, HttpSender, Sender

# Quick at first, then over two days; a target's `retry` replaces it.
DEFAULT_SCHEDULE = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0)
FILE_CONCURRENCY = 256  # lines that may share one sync
_log = structlog.get_logger("relay.lanes.fit")


class Lanes(dict[str, AnyLane]):
    """The lanes by their targets' names. `grace` is how long, in seconds, what is in flight may take to end."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
        *,
        memory: int,
        grace: float,
        user_agent: str,
    ) -> None:
        super().__init__()
        self._store = store
        self._metrics = metrics
        self._routes = routes
        self._room = Room(memory)
        self._grace = grace
        self._user_agent = user_agent
        self._settings: dict[str, TargetSettings] = {}
        self._feeders: dict[str, asyncio.Task[None]] = {}

    async def fit(self, targets: Mapping[str, TargetSettings]) -> None:
        """Make lanes for new targets, change those whose settings changed, stop those whose target is gone.

        A lane that stays keeps its queue, breaker and rate; one whose settings are the same, its connections.
        """
        paused = await self._store.paused()
        new = {name: settings for name, settings in targets.items() if name not in self}
        with contextlib.suppress(StoreUnavailable):  # it would only have come sooner
            now = steady()
            await self._store.hasten(
                {name: now + _longest(one.config.retry) for name, one in new.items()}, now
            )
        divided = await self._store.divided() if new else {}
        for name, settings in targets.items():
            lane = self.get(name)
            if lane is None:
                if partitions(settings) != divided.get(name, 1):
                    await self._store.divide(name, partitions(settings))
                self._add(name, settings, paused=name in paused)
            elif settings != self._settings[name]:
                lane.change(_options(name, settings), partial(self._sender, settings))
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
        """Let what is in flight end, and drop the rest from memory: it stands in the store."""
        await asyncio.gather(*(self._stop(name, lane) for name, lane in self.items()))

    def _add(self, name: str, settings: TargetSettings, *, paused: bool) -> None:
        self._metrics.add_target(name)
        options = _options(name, settings)
        lanes = [
            Lane(
                options,
                self._sender(settings),
                self._store,
                self._room,
                self._metrics,
                self._routes,
                partition,
            )
            for partition in range(partitions(settings))
        ]
        lane = lanes[0] if len(lanes) == 1 else Partitions(lanes)
        if paused:
            lane.pause()
            _log.warning("target_paused", target=name, detail="as it was before; resume it by hand")
        self[name] = lane
        self._feeders[name] = asyncio.create_task(lane.run())

    async def _stop(self, name: str, lane: AnyLane) -> None:
        await lane.stop(self._grace)
        await self._end_feeding(name)

    async def _end_feeding(self, name: str) -> None:
        feeder = self._feeders.pop(name)
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)

    def _sender(self, settings: TargetSettings) -> Sender:
        match settings:
            case FileSettings():
                return FileSender(settings.path)
            case FeedSettings():
                feed = settings.config
                options = FeedOptions(feed.title, settings.id, feed.entries, feed.link)
                return FeedSender(settings.path, options)
            case HttpSettings():
                config = settings.config
                return HttpSender(
                    HttpOptions(
                        url=config.url,
                        method=config.method,
                        connect=config.timeout.connect,
                        total=config.timeout.total,
                        headers=settings.headers,
                        signing_keys=settings.signing_keys,
                        user_agent=self._user_agent,
                        egress=settings.egress,
                    )
                )


def partitions(settings: TargetSettings) -> int:
    """Return into how many lanes a target is divided."""
    return settings.config.partitions if isinstance(settings, HttpSettings) else 1


def _options(name: str, settings: TargetSettings) -> LaneOptions:
    config = settings.config
    options = LaneOptions(name, _policy(config.retry), FILE_CONCURRENCY)
    if isinstance(config, FeedTarget):
        return replace(options, give_up_on=frozenset({NO_ENTRY}))
    if not isinstance(config, HttpTarget):
        return options
    way = config.breaker
    return replace(
        options,
        concurrency=config.concurrency,
        give_up_on=frozenset(config.give_up_on),
        breaker=BreakerPolicy(way.failures, way.cool_off, way.max_cool_off),
        rate=config.rate,
    )


def _longest(retry: Retry) -> float:
    """Return the longest wait that a retry may lead to; what is due later was written by a clock gone wrong."""
    waits = DEFAULT_SCHEDULE if retry.schedule is None else retry.schedule
    longest = retry.exponential.max if retry.exponential is not None else max(waits, default=0.0)
    return max(longest * (1 + retry.jitter), RETRY_AFTER_CAP)


def _policy(retry: Retry) -> RetryPolicy:
    if retry.exponential is not None:
        way = retry.exponential
        return exponential(
            way.initial, way.factor, way.max, way.attempts, retry.jitter, retry.max_age
        )
    waits = DEFAULT_SCHEDULE if retry.schedule is None else tuple(retry.schedule)
    return by_schedule(waits, retry.jitter, retry.max_age)
