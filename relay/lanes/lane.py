"""A lane: the deliveries of one target, or of one of its partitions, and the workers that carry them out.

A delivery that was just committed comes straight from memory; the store is read for retries, after
a restart, and for deliveries that did not fit into the bounded queue. A lane has its own queue,
workers and connections, so that a slow target holds up nobody else. deliver.py has the way of one
delivery, gate.py when the next may go.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable

import structlog

from relay.clock import Steady, steady
from relay.delivery.breaker import CLOSED, BreakerState, admit
from relay.delivery.settle import Settlement
from relay.errors import StoreUnavailable
from relay.event import Delivery
from relay.lanes import gate
from relay.lanes.deliver import Deliverer
from relay.lanes.gate import FREE
from relay.lanes.room import Places, Room
from relay.metrics.series import Metrics
from relay.routing.route import Route
from relay.stores.contract import Store
from relay.targets.target import LaneOptions, Target

_CAPACITY = 10_000  # deliveries in a lane's memory at most
# Deliveries that come from the store at a time; as many new ones join them while it has more.
_REFILL = 500
_REFILL_BYTES = 8 << 20
_STORE_RETRY = 1.0  # seconds until a store that could not be read is asked again
_log = structlog.get_logger("relay.lanes.lane")


class Lane:
    """Owns the deliveries of one target or partition; all methods that are not `async` return at once.

    `token` shows to the store that a delivery is this lane's. `on_gone` is called when the target
    answers that it wants no more: it pauses this lane, or all lanes of the target.
    """

    def __init__(
        self,
        options: LaneOptions,
        target: Target,
        store: Store,
        room: Room,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
        *,
        token: int,
        partition: int = 0,
    ) -> None:
        self.name = options.target
        self.token = token
        self.on_gone: Callable[[], None] = self.pause
        self._partition = partition
        self._options = options
        self._store = store
        self._places = Places(room)
        self._deliverer = Deliverer(
            options,
            target,
            store,
            self._places,
            metrics,
            routes,
            heed=self._heed,
            wake=self.wake,
        )
        self._queue: deque[Delivery] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._starting = 0  # workers that have not begun with their first delivery yet
        self._closing: set[asyncio.Task[None]] = set()
        # When the store's next delivery is due; None: it has none, 0: it was not asked yet.
        self._next_due: Steady | None = Steady(0.0)
        self._gate = gate.limit(FREE, options.rate)
        self._poked = asyncio.Event()
        self._removed = False

    # --- deliveries come in ------------------------------------------------------------------------

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Keep a place in memory for a delivery about to be committed, of `size` bytes; tell if it has one."""
        if self._gate.stopping:
            return False
        # While older ones wait in the store, memory is for them.
        behind = self._next_due is not None and self._next_due <= delivery.since
        if len(self._places) >= (_REFILL if behind else _CAPACITY):
            return False
        return self._places.reserve(delivery, size)

    def give_back(self, delivery: Delivery) -> None:
        """Give a reserved place back: the delivery was not committed."""
        self._places.give_back(delivery)

    def hand(self, delivery: Delivery) -> None:
        """Put a delivery that was committed into its reserved place."""
        if self._removed:
            self._bury(delivery)
            return
        self._queue.append(delivery)
        self._start_workers()

    def wake(self, due: Steady) -> None:
        """Learn that a delivery is due in the store from `due` on."""
        if self._next_due is None or due < self._next_due:
            self._next_due = due
            self._poked.set()

    # --- settings and operators --------------------------------------------------------------------

    def change(self, options: LaneOptions, open_target: Callable[[], Target]) -> None:
        """Go on with other options and a target opened anew; attempts in flight end with the old."""
        before, self._deliverer.target = self._deliverer.target, open_target()
        self._options = self._deliverer.options = options
        self._gate = gate.limit(self._gate, options.rate)
        closing = asyncio.create_task(_close_after(set(self._workers), before))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._start_workers()

    def pause(self) -> None:
        """Begin no attempt until `resume`; those in flight end."""
        self._gate = gate.pause(self._gate)

    def resume(self) -> None:
        """Go on, at once: an operator who resumes a target knows that it is back."""
        self._gate = gate.resume(self._gate)
        self._poked.set()

    @property
    def paused(self) -> bool:
        """Whether an operator, or the target itself by 410, has stopped it."""
        return self._gate.paused

    @property
    def breaker_state(self) -> BreakerState:
        """How the breaker stands now."""
        return admit(self._gate.breaker, steady()).state

    @property
    def in_memory(self) -> int:
        """How many deliveries are in memory only, as far as the store's rows tell."""
        return len(self._places)

    def oldest_in_memory(self, now: Steady) -> float:
        """Return the age in seconds of the oldest delivery in memory; 0 if there is none."""
        return self._places.oldest(now)

    # --- its life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed the queue from the store until cancelled."""
        while True:
            self._poked.clear()
            seconds = self._until_feed()
            if seconds <= 0:
                await self._refill()
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poked.wait(), None if seconds == math.inf else seconds)
            self._start_workers()

    async def stop(self, grace: float) -> None:
        """Begin nothing new, let attempts in flight end within `grace` seconds, and drop the rest.

        Dropped deliveries cost no attempt: the store has them, or the next start finds them by
        their event.
        """
        self._gate = gate.stop(self._gate)
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.gather(*self._closing)
        await self._deliverer.target.close()

    async def remove(self, grace: float) -> None:
        """Stop for good: deliveries in memory alone become dead letters, as `bury` makes the store's."""
        self._removed = True
        await self.stop(grace)
        while self._queue:
            self._bury(self._queue.popleft())

    def _bury(self, delivery: Delivery) -> None:
        if delivery in self._places:
            self._deliverer.bury(delivery)

    # --- the queue is filled -----------------------------------------------------------------------

    def _until_feed(self) -> float:
        """Return the seconds until the store is worth asking or attempts may go on, or infinity."""
        shut = self._until_attempt()
        if shut > 0:
            return shut
        if self._next_due is None or len(self._queue) >= self._enough():
            return math.inf
        return max(self._next_due - steady(), 0.0)

    def _enough(self) -> int:
        """Return how many deliveries the queue has use for: the probe alone for a target on probation."""
        return min(_REFILL, self._gate.breaker.most)

    async def _refill(self) -> None:
        now = steady()
        self._next_due = None  # deliveries that come in meanwhile set it again
        try:
            claim = await self._store.claim(
                self.name, now, self._enough(), _REFILL_BYTES, self._partition
            )
        except StoreUnavailable:
            self._next_due = Steady(now + _STORE_RETRY)
            return
        if claim.next_due is not None:
            self.wake(Steady(claim.next_due))
        self._queue.extend(claim.deliveries)
        self._start_workers()

    # --- the queue is worked off -------------------------------------------------------------------

    def _start_workers(self) -> None:
        """Start workers while there is work for them; if none may begin yet, have `run` wait for it."""
        if not self._queue:
            return
        if self._until_attempt() > 0:
            self._poked.set()
            return
        most = min(self._options.concurrency, self._gate.breaker.most)
        for _ in range(min(len(self._queue) - self._starting, most - len(self._workers))):
            self._starting += 1
            self._workers.add(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        """Carry deliveries out, one after another, while there are some and the gate lets them go."""
        self._starting -= 1
        task = asyncio.current_task()
        assert task is not None
        try:
            while self._queue and self._may_begin():
                delivery = self._queue.popleft()
                try:
                    await self._deliverer.deliver(delivery)
                except asyncio.CancelledError:
                    if self._removed:
                        self._bury(delivery)
                    raise
                except Exception:  # noqa: BLE001 - our own fault must not end the lane
                    # The delivery stays claimed: a restart finds it.
                    _log.exception("delivery_fault", target=self.name, id=delivery.event.id)
                if self._next_due is not None and len(self._queue) < self._enough():
                    self._poked.set()
        finally:
            self._workers.discard(task)
            if self._queue:
                self._poked.set()

    # --- the gate ----------------------------------------------------------------------------------

    def _until_attempt(self) -> float:
        """Return the seconds until an attempt may begin, 0 if it may now; infinity as `gate.wait`."""
        if self._gate is FREE:
            return 0.0  # as nearly always
        now = steady()
        self._gate = gate.advance(self._gate, now)
        return gate.wait(self._gate, now)

    def _may_begin(self) -> bool:
        """Tell whether this worker may begin an attempt, and count it if so."""
        if self._until_attempt() > 0 or len(self._workers) > self._gate.breaker.most:
            return False
        if self._gate.rate is not None:
            self._gate = gate.count_attempt(self._gate, steady())
        return True

    def _heed(self, settlement: Settlement) -> None:
        """Let what follows from an attempt for the whole target follow: breaker, hold, pause."""
        before = self._gate.breaker
        if settlement.reason is None and before is CLOSED:
            return
        self._gate = gate.end_attempt(
            self._gate, settlement.reason, self._options.breaker, steady()
        )
        breaker = self._gate.breaker
        if breaker is not before:
            self._poked.set()  # there may be room for more in flight
        if breaker.state is not before.state:
            _log.warning("breaker", target=self.name, state=breaker.state.name.lower())
        if settlement.hold_until:
            self._gate = gate.hold(self._gate, settlement.hold_until)
        if settlement.pause:
            self.on_gone()
            _log.warning(
                "target_paused",
                target=self.name,
                detail="it answered 410 Gone; resume it by hand",
            )


async def _close_after(workers: set[asyncio.Task[None]], target: Target) -> None:
    """Close a target's connections once the workers that may be using them have ended."""
    if workers:
        await asyncio.wait(workers)
    await target.close()
