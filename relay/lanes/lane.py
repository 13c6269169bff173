"""A lane: the deliveries of one target, or of one of its partitions, from claim to settled.

    claim -> prepare -> send -> decide -> settle -> emit

What was just committed is handed over in memory; the store is read for retries, after a restart, and for what
did not fit into the bounded queue. A lane has its own queue, workers and connections, so that a slow target
holds up nobody else.
"""

import asyncio
import contextlib
import math
import random
import time
from collections import deque
from collections.abc import Callable

import structlog

from relay.clock import steady
from relay.delivery.breaker import (
    CLOSED,
    BreakerState,
    admit,
    after,
)
from relay.delivery.rate import take, wait
from relay.delivery.settle import Attempt, Settlement, Verdict, drop, expire, fail, settle
from relay.errors import DeliveryReason, StoreUnavailable, TransformFailed
from relay.event import Delivery, DeliveryState
from relay.metrics.series import Metrics
from relay.routing.route import Route
from relay.routing.transform import Outgoing, prepare
from relay.stores.contract import Settle, Store
from relay.targets.target import LaneOptions, Target

_CAPACITY = 10_000  # deliveries in a lane's memory at most
_OVERHEAD = (
    3072  # bytes that a delivery in memory takes beside its body; tests/bench/memory.py measures it
)
_REFILL = 500  # deliveries that come from the store at a time; as many new ones join them while it has more
_REFILL_BYTES = 8 << 20
_STORE_RETRY = 1.0  # seconds until a store that could not be read is asked again
_log = structlog.get_logger("relay.lanes.lane")


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


class Lane:
    """Owns the deliveries of one target or partition; all methods but `run` return at once.

    `on_gone` is called when the target wants no more.
    """

    def __init__(
        self,
        options: LaneOptions,
        sender: Target,
        store: Store,
        room: Room,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
        partition: int = 0,
    ) -> None:
        self.target = options.target
        self.partitions = 1
        self.on_gone: Callable[[], None] = self.pause
        self._partition = partition
        self._options = options
        self._sender = sender
        self._store = store
        self._room = room
        self._metrics = metrics
        self._routes = routes
        self._queue: deque[Delivery] = deque()
        self._held: dict[
            tuple[int, int], tuple[float, int]
        ] = {}  # in memory without a row: accepted when, bytes
        self._workers: set[asyncio.Task[None]] = set()
        self._starting = 0  # workers that have not taken their first delivery yet
        self._closing: set[asyncio.Task[None]] = set()
        self._next_due: float | None = 0.0  # of what waits in the store; 0.0: not asked yet
        self._hold_until = 0.0  # monotonic, like all that is only waited for
        self._breaker = CLOSED
        self._rate_due = 0.0
        self._paused = False
        self._poked = asyncio.Event()
        self._stopping = False
        self._removed = False
        self._delivered = metrics.attempts.labels(self.target, Verdict.DELIVERED.value, "")
        self._duration = metrics.attempt_duration.labels(self.target)
        self._latency = metrics.delivery_latency.labels(self.target)

    # --- what the server calls ----------------------------------------------------------------------

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Keep a place in memory for a delivery that is about to be committed, if there is one."""
        if self._stopping:
            return False
        behind = self._next_due is not None and self._next_due <= delivery.since
        if len(self._held) >= (_REFILL if behind else _CAPACITY) or not self._room.take(
            size + _OVERHEAD
        ):
            return False
        self._held[delivery.event.seq, delivery.n] = delivery.since, size + _OVERHEAD
        return True

    def release(self, delivery: Delivery) -> None:
        """Give a reserved place back: its event was not committed."""
        if (held := self._held.pop((delivery.event.seq, delivery.n), None)) is not None:
            self._room.give(held[1])

    def hand(self, delivery: Delivery) -> None:
        """Take a delivery that was committed into its reserved place."""
        if self._removed:
            self._bury(delivery)
            return
        self._queue.append(delivery)
        self._pump()

    def wake(self, due: float) -> None:
        """Learn that something waits in the store from `due` on."""
        if self._next_due is None or due < self._next_due:
            self._next_due = due
            self._poked.set()

    def change(self, options: LaneOptions, make_sender: Callable[[], Target]) -> None:
        """Go on with other options and another sender; attempts that are under way end with the one before."""
        before, self._sender = self._sender, make_sender()
        self._options = options
        workers = set(self._workers)
        closing = asyncio.create_task(_close_after(workers, before))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._pump()

    def pause(self) -> None:
        """Start no attempt until `resume`; what is in flight ends."""
        self._paused = True

    def resume(self) -> None:
        """Go on, at once: an operator who resumes a target knows that it is back."""
        self._paused = False
        self._hold_until = 0.0
        self._breaker = CLOSED
        self._poked.set()

    @property
    def paused(self) -> bool:
        """Whether an operator, or the target itself by 410, has stopped it."""
        return self._paused

    @property
    def breaker_state(self) -> BreakerState:
        """How the breaker stands now."""
        return admit(self._breaker, time.monotonic()).state

    @property
    def in_memory(self) -> int:
        """How many deliveries are in memory only, as far as the store's rows tell."""
        return len(self._held)

    def oldest_in_memory(self, now: float) -> float:
        """Return the age in seconds of the oldest delivery in memory; 0 if there is none."""
        since, _ = next(iter(self._held.values()), (now, 0))
        return max(now - since, 0.0)

    # --- its life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed the queue from the store until cancelled."""
        while True:
            self._poked.clear()
            seconds = self._until_feed(steady())
            if seconds <= 0:
                await self._refill()
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), None if seconds == math.inf else seconds)
            self._pump()

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
        await asyncio.gather(*self._closing)
        await self._sender.close()

    async def remove(self, grace: float) -> None:
        """Stop for good: what is in memory alone becomes dead letters, as the store's are by `bury`."""
        self._removed = True
        await self.stop(grace)
        while self._queue:
            self._bury(self._queue.popleft())

    def _bury(self, delivery: Delivery) -> None:
        if (delivery.event.seq, delivery.n) in self._held:
            self._settle(delivery, fail(delivery, DeliveryReason.TARGET_REMOVED), None)

    def _until_feed(self, now: float) -> float:
        """Return the seconds until the store is worth asking or attempts may go on; infinity if for neither."""
        gate = self._gate()
        if gate > 0:
            return gate
        if self._next_due is None or len(self._queue) >= self._enough():
            return math.inf
        return max(self._next_due - now, 0.0)

    def _gate(self) -> float:
        """Return the seconds until an attempt may begin, 0 if it may now."""
        rate = self._options.rate
        if (
            self._breaker is CLOSED
            and rate is None
            and not (self._hold_until or self._paused or self._stopping)
        ):
            return 0.0  # as nearly always
        if self._paused or self._stopping:
            return math.inf
        now = time.monotonic()
        self._breaker = admit(self._breaker, now)
        shut = self._breaker.until if self._breaker.state is BreakerState.OPEN else 0.0
        gate = max(self._hold_until, shut) - now
        if rate is not None:
            gate = max(gate, wait(rate, self._rate_due, now))
        return max(gate, 0.0)

    def _enough(self) -> int:
        """Return how many deliveries the queue has use for: a target that is probed, no more than the probe."""
        return min(_REFILL, self._breaker.most)

    async def _refill(self) -> None:
        now = steady()
        self._next_due = None  # what comes in meanwhile sets it again
        try:
            claim = await self._store.claim(
                self.target, now, self._enough(), _REFILL_BYTES, self._partition
            )
        except StoreUnavailable:
            self._next_due = now + _STORE_RETRY
            return
        if claim.next_due is not None:
            self.wake(claim.next_due)
        self._queue.extend(claim.deliveries)
        self._pump()

    def _pump(self) -> None:
        """Start workers while there is work for them; if none may start yet, have `run` wait for it."""
        if not self._queue:
            return
        if self._gate() > 0:
            self._poked.set()
            return
        most = min(self._options.concurrency, self._breaker.most)
        for _ in range(min(len(self._queue) - self._starting, most - len(self._workers))):
            self._starting += 1
            self._workers.add(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        self._starting -= 1
        task = asyncio.current_task()
        assert task is not None
        try:
            while self._queue and self._may_go():
                await self._deliver(self._queue.popleft())
                if self._next_due is not None and len(self._queue) < self._enough():
                    self._poked.set()
        finally:
            self._workers.discard(task)
            if self._queue:
                self._poked.set()

    def _may_go(self) -> bool:
        """Tell whether this worker may make one more attempt, and count it against the rate if so."""
        if self._gate() > 0 or len(self._workers) > self._breaker.most:
            return False
        if self._options.rate is not None:
            self._rate_due, _ = take(self._options.rate, self._rate_due, time.monotonic())
        return True

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await self._attempt(delivery)
        except asyncio.CancelledError:
            if self._removed:
                self._bury(delivery)
            raise
        except Exception:  # noqa: BLE001 - our own fault must not end the lane
            # The delivery stays claimed: a restart finds it.
            _log.exception("delivery_fault", target=self.target, id=delivery.event.id)

    async def _attempt(self, delivery: Delivery) -> None:
        now = steady()
        if (expired := expire(delivery, self._options.policy, now)) is not None:
            self._settle(delivery, expired, None)
            return
        try:
            outgoing = self._prepare(delivery)
        except TransformFailed as error:
            attempt = Attempt(
                time.time(), 0.0, reason=DeliveryReason.TRANSFORM_FAILED, detail=str(error)
            )
            self._settle(delivery, fail(delivery, DeliveryReason.TRANSFORM_FAILED), attempt)
            return
        except LookupError as error:
            attempt = Attempt(
                time.time(), 0.0, reason=DeliveryReason.TARGET_REMOVED, detail=str(error.args[0])
            )
            self._settle(delivery, fail(delivery, DeliveryReason.TARGET_REMOVED), attempt)
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
            now=steady(),
            chance=random.random(),
        )
        self._heed(settlement)
        self._settle(delivery, settlement, attempt)

    def _heed(self, settlement: Settlement) -> None:
        """Let the breaker and the whole target follow from one attempt."""
        if settlement.reason is None and self._breaker is CLOSED:
            return
        now = time.monotonic()
        before = self._breaker
        self._breaker = after(self._breaker, settlement.reason, self._options.breaker, now)
        if self._breaker is not before:
            self._poked.set()  # there may be room for more in flight
        if self._breaker.state is not before.state:
            _log.warning("breaker", target=self.target, state=self._breaker.state.name.lower())
        if settlement.hold_until:
            self._hold_until = max(self._hold_until, now + settlement.hold_until - steady())
        if settlement.pause:
            self.on_gone()
            _log.warning(
                "target_paused",
                target=self.target,
                detail="it answered 410 Gone; resume it by hand",
            )

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

        self._store.settle(Settle(delivery, settlement, attempt, steady(), settled))

    def _emit(self, delivery: Delivery, settlement: Settlement, attempt: Attempt | None) -> None:
        self.release(delivery)
        if delivery.ordering and settlement.state is not DeliveryState.PENDING:
            self.wake(steady())  # the store has let the next of its key go
        if attempt is not None:
            self._duration.observe(attempt.duration)
        if settlement.state is DeliveryState.DELIVERED:
            self._delivered.inc()
            self._latency.observe(max(steady() - delivery.since, 0.0))
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


async def _close_after(workers: set[asyncio.Task[None]], sender: Target) -> None:
    """Close a sender once those who may be using it are done with their delivery."""
    if workers:
        await asyncio.wait(workers)
    await sender.close()
