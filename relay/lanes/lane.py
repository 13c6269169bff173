"""A lane: the workers of one target, or of one of its partitions, and who may tell them to wait.

A lane has its own queue, workers and connections, so that a slow target holds up nobody else.
queue.py has the deliveries that wait, gate.py says when the next may go, deliver.py is its way.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable

import structlog

from relay.clock import Steady, steady
from relay.delivery.breaker import CLOSED, BreakerState, admit
from relay.delivery.settle import Settlement
from relay.event import Delivery
from relay.lanes import gate
from relay.lanes.deliver import Deliverer
from relay.lanes.gate import FREE
from relay.lanes.queue import REFILL, Queue
from relay.lanes.room import Places, Room
from relay.metrics.series import Metrics
from relay.routing.recent import RecentBodies
from relay.routing.route import Route
from relay.stores.contract import Delivering
from relay.targets.target import LaneOptions, Target

_CAPACITY = 10_000  # deliveries in a lane's memory at most
_log = structlog.get_logger("relay.lanes.lane")


class Lane:
    """Owns the deliveries of one target or partition.

    `token` shows to the store that a delivery is this lane's. `on_gone` is called when the target
    answers that it wants no more: it pauses this lane, or all lanes of the target.
    """

    def __init__(
        self,
        options: LaneOptions,
        target: Target,
        store: Delivering,
        room: Room,
        metrics: Metrics,
        routes: Callable[[str], Route | None],
        recent: RecentBodies,
        *,
        token: int,
        partition: int = 0,
    ) -> None:
        self.name = options.target
        self.token = token
        self.on_gone: Callable[[], None] = self.pause
        self._options = options
        self._gate = gate.limit(FREE, options.rate)
        self._poked = asyncio.Event()
        self._queue = Queue(store, options.target, partition, self._poked)
        self._places = Places(room)
        self._deliverer = Deliverer(
            options,
            target,
            store,
            self._places,
            metrics,
            routes,
            recent,
            self._heed,
            self._queue.wake,
        )
        self._workers: set[asyncio.Task[None]] = set()
        self._starting = 0  # workers that have not begun with their first delivery yet
        self._closing: set[asyncio.Task[None]] = set()
        self._removed = False

    # --- deliveries come in -----------------------------------------------------------------------

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Keep a place for a delivery of `size` bytes about to be committed; tell if it has one."""
        if self._gate.stopping:
            return False
        # While older ones wait in the store, memory is for them.
        most = REFILL if self._queue.is_behind(delivery.since) else _CAPACITY
        return len(self._places) < most and self._places.reserve(delivery, size)

    def give_back(self, delivery: Delivery) -> None:
        """Give a reserved place back: the delivery was not committed."""
        self._places.give_back(delivery)

    def hand(self, delivery: Delivery) -> None:
        """Put a delivery that was committed into its reserved place."""
        if self._removed:
            self._bury(delivery)
            return
        self._queue.waiting.append(delivery)
        self._start_workers()

    def wake(self, due: Steady) -> None:
        """Learn that a delivery is due in the store from `due` on."""
        self._queue.wake(due)

    # --- settings and operators -------------------------------------------------------------------

    def change(self, options: LaneOptions, open_target: Callable[[], Target]) -> None:
        """Go on with other options and a target opened anew; attempts in flight end with theirs."""
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

    # --- its life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed the queue from the store until cancelled: when the gate is open and it runs low."""
        while True:
            self._poked.clear()
            seconds = self._until_attempt() or self._queue.until_refill(self._gate.breaker.most)
            if seconds <= 0:
                await self._queue.refill(self._gate.breaker.most)
                self._start_workers()
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
        """Stop for good: deliveries in memory alone are dead; the store's `bury` ends the rest."""
        self._removed = True
        await self.stop(grace)
        while self._queue.waiting:
            self._bury(self._queue.waiting.popleft())

    def _bury(self, delivery: Delivery) -> None:
        if delivery in self._places:
            self._deliverer.bury(delivery)

    # --- its workers ------------------------------------------------------------------------------

    def _start_workers(self) -> None:
        """Start workers while there is work for them; if none may begin yet, `run` waits for it."""
        if not (waiting := len(self._queue.waiting)):
            return
        if self._until_attempt() > 0:
            self._poked.set()
            return
        most = min(self._options.concurrency, self._gate.breaker.most)
        for _ in range(min(waiting - self._starting, most - len(self._workers))):
            self._starting += 1
            self._workers.add(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        """Carry deliveries out, one after another, while there are some and the gate is open."""
        self._starting -= 1
        task = asyncio.current_task()
        assert task is not None
        waiting = self._queue.waiting
        try:
            while waiting and self._may_begin():
                delivery = waiting.popleft()
                try:
                    await self._deliverer.deliver(delivery)
                except asyncio.CancelledError:
                    if self._removed:
                        self._bury(delivery)
                    raise
                except Exception:  # noqa: BLE001 - our own fault must not end the lane
                    # The delivery stays claimed: a restart finds it.
                    _log.exception("delivery_fault", target=self.name, id=delivery.event.id)
                if self._queue.is_low(self._gate.breaker.most):
                    self._poked.set()
        finally:
            self._workers.discard(task)
            if waiting:
                self._poked.set()

    # --- its gate ---------------------------------------------------------------------------------

    def _until_attempt(self) -> float:
        """Return the seconds until an attempt may begin, as `gate.wait` says."""
        if self._gate is FREE:
            return 0.0  # as nearly always: neither a look at the clock nor a call
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
        """Carry out what an attempt means for the whole target: breaker, hold, pause."""
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
