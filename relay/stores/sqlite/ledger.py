"""The loop's own ledger of a file: how much is pending, which deliveries are in memory alone.

They save the public listener a query an event, and a delivery straight from memory the row that it
would need at accept; `tests/contract/stores/test_durability.py` holds that a crash loses none of
those.
"""

from relay.clock import steady
from relay.stores.sqlite.batch import Batch
from relay.stores.sqlite.plan import Plan


class Ledger:
    """Kept by the loop, batch after batch. `pending` is how many deliveries have not ended.

    The mark is a sequence number: every delivery that an event below it owes has a row, so that
    recovery looks only at events from there on. It moves once in `mark_every` seconds.
    """

    __slots__ = ("_mark_every", "_mark_moved", "_rowless", "pending")

    def __init__(self, pending: int, mark_every: float) -> None:
        self.pending = pending
        # Of each event with deliveries that have no row: a number whose bit n is set if delivery n
        # has none.
        self._rowless: dict[int, int] = {}
        self._mark_every = mark_every
        self._mark_moved = 0.0

    def holds(self, seq: int) -> bool:
        """Tell whether a delivery of an event is in memory alone."""
        return seq in self._rowless

    def next_mark(self, batch: Batch) -> int:
        """Return to where the transaction of a batch moves the mark; 0 if not at all.

        That is as of the last commit: of this batch nothing counts yet, so that a rollback can't
        make it wrong.
        """
        now = steady()
        if now - self._mark_moved < self._mark_every:
            return 0
        self._mark_moved = now
        return min(self._rowless, default=0) or min(
            (operation.append.event.seq for operation in batch.appends), default=0
        )

    def enter(self, batch: Batch, plan: Plan) -> None:
        """Enter a batch that is on disk."""
        rowless = self._rowless
        for operation in batch.appends:
            append = operation.append
            if operation.duplicate_of:
                continue
            self.pending += len(append.owed)
            held = 0
            for n, in_memory in enumerate(append.held):
                held |= in_memory << n
            if held:
                rowless[append.event.seq] = held
        # A settle of a delivery without a row inserts that row, whatever its token is: so the bit
        # alone decides, and a stale or second settle, or one of a replayed delivery, finds its bit
        # cleared.
        for settle in batch.settles:
            seq = settle.delivery.event.seq
            if held := rowless.get(seq, 0):
                held &= ~(1 << settle.delivery.n)
                if held:
                    rowless[seq] = held
                else:
                    del rowless[seq]
        self.pending -= plan.ended
