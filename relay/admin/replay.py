"""Deliver again: all that one event owed, named deliveries, or an event let out of quarantine."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from relay.clock import steady
from relay.errors import Rejected, RelayError
from relay.event import DeliveryState, parse_id
from relay.lanes.partitions import Partitions, assign
from relay.metrics.series import Metrics
from relay.routing.check import authorize, validate_stored
from relay.routing.choose import choose
from relay.routing.measure import observe
from relay.routing.route import Route
from relay.stores.contract import Operating
from relay.stores.records import EventRecord

_MOST = 1000  # deliveries of one request


class CannotReplay(RelayError):
    """A replay that can't be done; the text is for people."""


class Replayer:
    """Replays on one relay."""

    def __init__(
        self,
        store: Operating,
        lanes: Mapping[str, Partitions],
        routes: Callable[[], Mapping[str, Route]],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._routes = routes
        self._metrics = metrics

    async def event(self, record: EventRecord, target: str) -> list[str]:
        """Replay the dead deliveries of an event, or its ended one to `target`; return the targets.

        An event in quarantine is validated again first, by the route as it is now. Raises
        CannotReplay if it is still not valid, or its route is gone.
        """
        if record.quarantined:
            return await self._release(record)
        wanted = [
            (record.event.seq, delivery.n, delivery.target)
            for delivery in record.deliveries
            if (delivery.target == target if target else delivery.state is DeliveryState.DEAD)
        ]
        return await self._again(wanted)

    async def deliveries(self, listed: list[Any]) -> list[str]:
        """Replay deliveries that had ended; return their targets.

        Each is {"event": ID, "n": N, "target": NAME}. Raises CannotReplay for any other form.
        """
        if len(listed) > _MOST:
            raise CannotReplay(f"send at most {_MOST} deliveries at a time")
        wanted = []
        for delivery in listed:
            try:
                parsed, n, target = (
                    parse_id(str(delivery["event"])),
                    delivery["n"],
                    str(delivery["target"]),
                )
            except (TypeError, KeyError):
                raise CannotReplay('a delivery is {"event": "…", "n": 0, "target": "…"}') from None
            if parsed is not None and isinstance(n, int) and 0 <= n < 1 << 31:
                wanted.append((parsed[0], n, target))
        return await self._again(wanted)

    async def _again(self, wanted: list[tuple[int, int, str]]) -> list[str]:
        now = steady()
        wanted = [delivery for delivery in wanted if delivery[2] in self._lanes]
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
        for owed in choice.owed:
            if (lane := self._lanes.get(owed.target)) is not None:
                lane.wake(now)
        return [owed.target for owed in choice.owed]
