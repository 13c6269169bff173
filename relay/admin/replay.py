"""Deliver again: what one event owed, named deliveries, or an event that was quarantined and is valid now."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from relay.clock import steady
from relay.errors import Rejected
from relay.event import DeliveryState, parse_id
from relay.lanes.partitions import Partitions, assign
from relay.metrics.series import Metrics
from relay.routing.check import authorize, validate_stored
from relay.routing.choose import choose
from relay.routing.measure import observe
from relay.routing.route import Route
from relay.stores.contract import EventRecord, Store

MOST = 1000  # deliveries of one request


class CannotReplay(Exception):
    """What was asked for can't be done; the text is for people."""


class Replayer:
    """Replays on one relay."""

    def __init__(
        self,
        store: Store,
        lanes: Mapping[str, Partitions],
        routes: Callable[[], Mapping[str, Route]],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._routes = routes
        self._metrics = metrics

    async def event(self, record: EventRecord, target: str) -> list[str]:
        """Replay all that is dead of an event, or its delivery to one target whatever its end; return the targets.

        An event in quarantine is validated again first, by the route as it is now. Raises CannotReplay.
        """
        if record.quarantined:
            return await self._release(record)
        wanted = [
            (record.event.seq, one.n, one.target)
            for one in record.deliveries
            if (one.target == target if target else one.state is DeliveryState.DEAD)
        ]
        return await self._again(wanted)

    async def deliveries(self, asked: list[Any]) -> list[str]:
        """Replay deliveries of the form {"event": ID, "n": N, "target": NAME}; return the targets of those that had ended."""
        if len(asked) > MOST:
            raise CannotReplay(f"send at most {MOST} deliveries at a time")
        wanted = []
        for one in asked:
            try:
                parsed, n, target = parse_id(str(one["event"])), one["n"], str(one["target"])
            except (TypeError, KeyError):
                raise CannotReplay('a delivery is {"event": "…", "n": 0, "target": "…"}') from None
            if parsed is not None and isinstance(n, int) and 0 <= n < 1 << 31:
                wanted.append((parsed[0], n, target))
        return await self._again(wanted)

    async def _again(self, wanted: list[tuple[int, int, str]]) -> list[str]:
        now = steady()
        wanted = [one for one in wanted if one[2] in self._lanes]
        done = await asyncio.gather(*(self._store.replay(seq, n, now) for seq, n, _ in wanted))
        targets = [
            target for (_, _, target), replayed in zip(wanted, done, strict=True) if replayed
        ]
        for target in set(targets):
            if (lane := self._lanes.get(target)) is not None:
                lane.wake(now)
        return targets

    async def _release(self, record: EventRecord) -> list[str]:
        event, now = record.event, steady()
        route = self._routes().get(event.route)
        if route is None:
            raise CannotReplay(f"there is no route {event.route} any more")
        try:
            valid, scope = validate_stored(route, event)
            authorize(route, event.sender, scope)
        except Rejected as rejected:
            places = "; ".join(f"{path}: {text}" for path, text in rejected.where)
            raise CannotReplay(
                f"it is still not valid: {rejected.detail} {places}".strip()
            ) from None
        choice = choose(route.forwards, valid, scope, self._lanes)
        if not await self._store.release(event, assign(choice.owed, event, self._lanes), now):
            return []
        if route.measures:
            observed = observe(route.measures, scope, route.time_limit)
            self._metrics.payload.release(route.name, event.seq, observed)
        for (target, outcome), count in choice.counts:
            self._metrics.forwards.labels(route.name, target, outcome.value).inc(count)
        for one in choice.owed:
            if (lane := self._lanes.get(one.target)) is not None:
                lane.wake(now)
        return [one.target for one in choice.owed]
