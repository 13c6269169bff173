"""A lane's queue: deliveries straight from their commit, then those that wait in the store.

The store is read for retries, after a restart, and for deliveries that had no place in memory. It
is read a part at a time, when the queue is low and the store has a delivery that is due.
"""

import asyncio
import math
from collections import deque

from relay.clock import Steady, steady
from relay.errors import StoreUnavailable
from relay.event import Delivery
from relay.stores.contract import Delivering

REFILL = 500  # deliveries that come from the store at a time
_REFILL_BYTES = 8 << 20
_STORE_RETRY = 1.0  # seconds until a store that could not be read is read again
_AT_ONCE = Steady(0.0)


class Queue:
    """Deliveries that a lane may attempt now, in `waiting`; `poked` is set when one is due sooner.

    `next_due` is when the next delivery in the store is due (None: there is none). The store has
    the truth: before its first answer, this is at once.
    """

    def __init__(
        self, store: Delivering, target: str, partition: int, poked: asyncio.Event
    ) -> None:
        self.waiting: deque[Delivery] = deque()
        self.next_due: Steady | None = _AT_ONCE
        self._store = store
        self._target = target
        self._partition = partition
        self._poked = poked

    def wake(self, due: Steady) -> None:
        """Learn that a delivery is due in the store from `due` on."""
        if self.next_due is None or due < self.next_due:
            self.next_due = due
            self._poked.set()

    def is_behind(self, since: float) -> bool:
        """Tell whether deliveries in the store were due before `since`, by the steady clock."""
        return self.next_due is not None and self.next_due <= since

    def is_low(self, most: int) -> bool:
        """Tell whether the store has more and the lane, with use for `most`, would take them."""
        return self.next_due is not None and len(self.waiting) < min(REFILL, most)

    def until_refill(self, most: int) -> float:
        """Return the seconds until `refill` is worth it: infinity until it is low, or is woken."""
        if self.next_due is None or not self.is_low(most):
            return math.inf
        return max(self.next_due - steady(), 0.0)

    async def refill(self, most: int) -> None:
        """Claim deliveries that are due, `most` at most; if the store can't be read, in a while."""
        now = steady()
        self.next_due = None  # deliveries that come in meanwhile set it again
        try:
            claim = await self._store.claim(
                self._target, now, min(REFILL, most), _REFILL_BYTES, self._partition
            )
        except StoreUnavailable:
            self.next_due = Steady(now + _STORE_RETRY)
            return
        if claim.next_due is not None:
            self.wake(Steady(claim.next_due))
        self.waiting.extend(claim.deliveries)
