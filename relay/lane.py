"""A lane: one target's deliveries, from claim to settled.

    claim -> prepare -> send -> decide -> settle -> emit

What was just committed is handed over in memory; the store is read for retries, after a restart, and for what
did not fit into the bounded queue. A lane has its own queue, workers and connections, so that a slow target
holds up nobody else.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from relay.errors import Reason, StoreUnavailable, TransformFailed
from relay.event import Delivery, DeliveryState
from relay.metrics import Metrics
from relay.retry import RetryPolicy
from relay.route import Outgoing, Route, prepare
from relay.sender import Sender
from relay.settle import Attempt, Settlement, Verdict, drop, expire, fail, settle
from relay.store import Settle, Store

_CAPACITY = 1000  # deliveries in a lane's memory at most
_REFILL = _CAPACITY // 2  # the share that comes from the store when it holds a backlog
_REFILL_BYTES = 8 << 20
_STORE_RETRY = 1.0  # seconds until a store that could not be read is asked again
_log = structlog.get_logger("relay.lane")


class Room:
    """Bytes of events that all lanes together may keep in memory."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity

    def take(self, size: int) -> bool:
        """Take `size` bytes if there are as many."""
        if size > self._free:
            return False
        self._free -= size
        return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self._free += size


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """What a target's configuration says to its lane."""

    target: str
    policy: RetryPolicy
    concurrency: int
    give_up_on: Collection[int] = ()


class Lane:
    """Owns the deliveries of one target; all methods but `run` return at once."""

    def __init__(
        self,
        options: LaneOptions,
        sender: Sender,
        store: Store,
        room: Room,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
    ) -> None:
        self.target = options.target
        self._options = options
        self._sender = sender
        self._store = store
        self._room = room
        self._metrics = metrics
        self._routes = routes
        self._queue: deque[Delivery] = deque()
        self._held: dict[tuple[int, int], float] = {}  # in memory without a row: when it was accepted
        self._workers: set[asyncio.Task[None]] = set()
        self._next_due: float | None = 0.0  # of what waits in the store; 0.0: not asked yet
        self._hold_until = 0.0
        self._poked = asyncio.Event()
        self._stopping = False
        self._delivered = metrics.attempts.labels(self.target, Verdict.DELIVERED.value, "")
        self._duration = metrics.attempt_duration.labels(self.target)
        self._latency = metrics.delivery_latency.labels(self.target)

    # --- what the server calls ----------------------------------------------------------------------

    def reserve(self, seq: int, n: int, received_at: float, size: int) -> bool:
        """Keep a place in memory for a delivery that is about to be committed, if there is one."""
        behind = self._next_due is not None and self._next_due <= received_at
        if len(self._held) >= (_REFILL if behind else _CAPACITY) or not self._room.take(size):
            return False
        self._held[seq, n] = received_at
        return True

    def release(self, delivery: Delivery) -> None:
        """Give a reserved place back: its event was not committed."""
        if self._held.pop((delivery.event.seq, delivery.n), None) is not None:
            self._room.give(len(delivery.event.body))

    def hand(self, delivery: Delivery) -> None:
        """Take a delivery that was committed into its reserved place."""
        self._queue.append(delivery)
        self._pump()

    def wake(self, due: float) -> None:
        """Learn that something waits in the store from `due` on."""
        if self._next_due is None or due < self._next_due:
            self._next_due = due
            self._poked.set()

    @property
    def in_memory(self) -> int:
        """How many deliveries are in memory only, as far as the store's rows tell."""
        return len(self._held)

    def oldest_in_memory(self, now: float) -> float:
        """Return the age in seconds of the oldest delivery in memory; 0 if there is none."""
        return max(now - next(iter(self._held.values()), now), 0.0)

    # --- its life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed the queue from the store until cancelled."""
        while True:
            self._poked.clear()
            wait = self._until_feed(time.time())
            if wait is None or wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._poked.wait(), wait)
                self._pump()
                continue
            await self._refill()

    async def stop(self, grace: float) -> None:
        """Start nothing new, let what is in flight end within `grace` seconds, and drop the rest from memory.

        What is dropped stands in the store, or is found again by its event at the next start: it costs no
        attempt.
        """
        self._stopping = True
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._sender.close()

    def _until_feed(self, now: float) -> float | None:
        """Return the seconds until the store is worth asking: 0 now, None not before something happens."""
        if self._hold_until > now:
            return self._hold_until - now
        if self._next_due is None or len(self._queue) >= _REFILL:
            return None
        return max(self._next_due - now, 0.0)

    async def _refill(self) -> None:
        now = time.time()
        self._next_due = None  # what comes in meanwhile sets it again
        try:
            claim = await self._store.claim(self.target, now, _REFILL, _REFILL_BYTES)
        except StoreUnavailable:
            self._next_due = now + _STORE_RETRY
            return
        if claim.next_due is not None:
            self.wake(claim.next_due)
        self._queue.extend(claim.deliveries)
        self._pump()

    def _pump(self) -> None:
        """Start workers while there is work for them."""
        if self._stopping or self._hold_until > time.time():
            return
        wanted = min(len(self._queue), self._options.concurrency - len(self._workers))
        for _ in range(wanted):
            task = asyncio.create_task(self._work())
            self._workers.add(task)
            task.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        while self._queue and not self._stopping and self._hold_until <= time.time():
            delivery = self._queue.popleft()
            try:
                await self._deliver(delivery)
            except Exception:  # noqa: BLE001 - our own fault must not end the lane
                # A fault of ours must not end the lane. The delivery stays claimed: a restart finds it.
                _log.exception("delivery_fault", target=self.target, id=delivery.event.id)
            if len(self._queue) < _REFILL and self._next_due is not None:
                self._poked.set()

    async def _deliver(self, delivery: Delivery) -> None:
        now = time.time()
        if (expired := expire(delivery, self._options.policy, now)) is not None:
            self._settle(delivery, expired, None)
            return
        try:
            outgoing = self._prepare(delivery)
        except TransformFailed as error:
            attempt = Attempt(now, 0.0, reason=Reason.TRANSFORM_FAILED, detail=str(error))
            self._settle(delivery, fail(delivery, Reason.TRANSFORM_FAILED), attempt)
            return
        except LookupError as error:
            attempt = Attempt(now, 0.0, reason=Reason.TARGET_REMOVED, detail=str(error.args[0]))
            self._settle(delivery, fail(delivery, Reason.TARGET_REMOVED), attempt)
            return
        if outgoing is None:
            self._settle(delivery, drop(delivery), None)
            return
        attempt = await self._sender.attempt(delivery, outgoing)
        settlement = settle(
            delivery,
            attempt,
            self._options.policy,
            give_up_on=self._options.give_up_on,
            now=time.time(),
            chance=random.random(),
        )
        if settlement.hold_until > self._hold_until:
            self._hold_until = settlement.hold_until
            self._poked.set()
        self._settle(delivery, settlement, attempt)

    def _prepare(self, delivery: Delivery) -> Outgoing | None:
        route = self._routes(delivery.event.route)
        if route is None:
            raise LookupError(f"there is no route {delivery.event.route} any more")
        forward = route.by_name.get(delivery.forward)
        if forward is None:
            raise LookupError(f"the route {route.name} has no forward {delivery.forward} any more")
        return prepare(route, forward, delivery.event)

    def _settle(self, delivery: Delivery, settlement: Settlement, attempt: Attempt | None) -> None:
        def settled() -> None:
            self._emit(delivery, settlement, attempt)

        self._store.settle(Settle(delivery, settlement, attempt, time.time(), settled))

    def _emit(self, delivery: Delivery, settlement: Settlement, attempt: Attempt | None) -> None:
        self.release(delivery)
        if attempt is not None:
            self._duration.observe(attempt.duration)
        if settlement.state is DeliveryState.DELIVERED:
            self._delivered.inc()
            self._latency.observe(max(time.time() - delivery.event.received_at, 0.0))
            return
        reason = settlement.reason.value if settlement.reason else ""
        self._metrics.attempts.labels(self.target, settlement.verdict.value, reason).inc()
        if settlement.state is DeliveryState.PENDING:
            self.wake(settlement.due)
        if settlement.reason is not None:
            _log.warning(
                f"delivery_{settlement.verdict.value}",
                target=self.target,
                id=delivery.event.id,
                route=delivery.event.route,
                attempt=settlement.attempts,
                reason=reason,
                status=attempt.status if attempt else 0,
                detail=attempt.detail if attempt else "",
            )
