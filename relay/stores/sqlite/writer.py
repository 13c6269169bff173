"""Group commit: all operations that wait share one transaction and its sync, in a thread.

The loop collects operations and prepares their rows while the thread commits the batch before. The
thread owns the only connection that writes, and runs as little Python as it can: each of its
statements hands the interpreter's lock over and back, so that one statement for 64 rows beats 64
statements by far. So one commit and few statements serve many events;
`tests/unit/stores/sqlite/test_costs.py` holds how few.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from pysqlite3 import dbapi2

from relay.errors import StoreUnavailable
from relay.stores.records import Commit, Settle
from relay.stores.sqlite.batch import AppendOperation, Batch, Job
from relay.stores.sqlite.ledger import Ledger
from relay.stores.sqlite.plan import Plan

_RETRY = 1.0  # seconds until settles that could not be committed are tried again
_FATAL = frozenset({dbapi2.SQLITE_IOERR, dbapi2.SQLITE_CORRUPT, dbapi2.SQLITE_NOTADB})


class Writer:
    """The thread, and the operations that wait for it. All methods but `stop` return at once.

    `tag` is the store's. The ledger is entered in the loop as soon as a batch is on disk, then
    `observe` is called. After an error by which the disk or the file can be trusted no more,
    nothing is committed any more, and `failed` is called.
    """

    def __init__(
        self,
        connection: Any,
        tag: int,
        ledger: Ledger,
        *,
        observe: Callable[[Commit], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._connection = connection
        self._tag = tag
        self._ledger = ledger
        self._observe = observe
        self._failed = failed
        self._failure: Exception | None = None
        self._fault = ""
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[Batch, Plan] | None] = SimpleQueue()
        self._waiting = Batch()
        self._appends_in_commit = 0
        self._busy = False
        self._retrying = False
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._idle = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay-writer", daemon=True)

    @property
    def waiting(self) -> int:
        """How many appends are not on disk yet."""
        return len(self._waiting.appends) + self._appends_in_commit

    @property
    def fault(self) -> str:
        """Why the last transaction failed; '' if it did not."""
        return self._fault

    @property
    def broken(self) -> bool:
        """Whether nothing is committed any more."""
        return self._failure is not None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add_append(self, operation: AppendOperation) -> None:
        """Add an append to the next batch."""
        if self._failure is not None:
            self._refuse(Batch(appends=[operation]), self._failure)
            return
        self._waiting.appends.append(operation)
        self._wake()

    def add_settle(self, settle: Settle) -> None:
        """Add a settle to the next batch.

        Once the disk has failed it is dropped: the next start finds its delivery still pending.
        """
        if self._failure is not None:
            return
        self._waiting.settles.append(settle)
        self._wake()

    def add_job(self, job: Job) -> None:
        """Add any other work to the next batch."""
        if self._failure is not None:
            self._refuse(Batch(jobs=[job]), self._failure)
            return
        self._waiting.jobs.append(job)
        self._wake()

    async def stop(self) -> None:
        """Commit all that waits, or give it up if that fails, then end the thread."""
        while self._busy or self._waiting.size:
            if not self._busy:
                self._begin_commit()
            self._idle.clear()
            await self._idle.wait()
            if self._retrying:
                break  # the last try failed as well; the next start finds those deliveries pending
        if self._timer is not None:
            self._timer.cancel()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _wake(self) -> None:
        """Have a commit begin, at once even if a failed settle waits for its next try."""
        if not self._busy and (self._timer is None or self._retrying):
            self._schedule_commit()

    def _schedule_commit(self) -> None:
        """Begin a commit once the loop has run all that is ready now, so that it is shared."""
        if self._timer is not None:
            self._timer.cancel()
        self._retrying = False
        self._timer = self._loop.call_soon(self._begin_commit)

    def _begin_commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._retrying = False
        batch = self._waiting
        self._waiting = batch.cut()
        mark = self._ledger.next_mark(batch)
        probes = bool(self._fault) and not batch.size
        self._busy = True
        self._appends_in_commit = len(batch.appends)
        self._queue.put((batch, Plan(batch, self._tag, mark, probes=probes)))

    def _run(self) -> None:
        """Commit batch after batch; this is the thread."""
        connection = self._connection
        while (work := self._queue.get()) is not None:
            batch, plan = work
            began = time.perf_counter()
            error: Exception | None = None
            try:
                connection.execute("BEGIN IMMEDIATE")
                plan.write(connection)
                for job in batch.jobs:
                    job.result = job.work(connection)
                connection.execute("COMMIT")
            # Whatever the engine raises, the waiters are told.
            except Exception as failure:  # noqa: BLE001
                error = failure
                with contextlib.suppress(Exception):  # the first error is the one to tell
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            duration = time.perf_counter() - began
            self._loop.call_soon_threadsafe(self._end_commit, batch, plan, duration, error)

    def _end_commit(
        self, batch: Batch, plan: Plan, duration: float, error: Exception | None
    ) -> None:
        self._busy = False
        self._appends_in_commit = 0
        self._fault = "" if error is None else str(error) or type(error).__name__
        if error is None:
            # Before the next batch is planned: its mark must know this one's deliveries in memory.
            self._ledger.enter(batch, plan)
            if self._waiting.size:
                self._begin_commit()  # the thread goes on while the loop tells the waiters
            _tell(batch)
        else:
            self._refuse(batch, error)
            if _is_fatal(error):
                self._give_up(error)
        self._observe(Commit(batch.size, duration, self._fault))
        if self._timer is None and self._waiting.size and not self._busy:
            self._schedule_commit()
        self._idle.set()

    def _give_up(self, error: Exception) -> None:
        """Commit nothing any more: a failed sync wrote anything or nothing, a second one would lie.

        See https://lwn.net/Articles/752063/ (fsync's error is told once). A restart reads what is
        really there.
        """
        self._failure = error
        waiting, self._waiting = self._waiting, Batch()
        waiting.settles.clear()
        self._refuse(waiting, error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._failed(error)

    def _refuse(self, batch: Batch, error: Exception) -> None:
        """Tell a batch's waiters that its commit failed, and keep its settles for the next try."""
        for operation in batch.appends:
            operation.not_committed()
        futures: list[asyncio.Future[Any]] = [operation.future for operation in batch.appends]
        futures += [job.future for job in batch.jobs]
        for future in futures:
            if not future.done():
                failure = StoreUnavailable(f"the store could not commit: {error}")
                failure.__cause__ = error
                future.set_exception(failure)
        if batch.settles:  # the outcome of a delivery is a fact: it stays until it can be written
            self._waiting.settles[:0] = batch.settles
        if not self._waiting.appends and not self._waiting.jobs and self._failure is None:
            # Also with nothing to write: that commits succeed again must not hang on somebody's
            # next request.
            self._retrying = True
            self._timer = self._loop.call_later(_RETRY, self._begin_commit)


def _tell(batch: Batch) -> None:
    """Tell the waiters of a batch that it is on disk."""
    for operation in batch.appends:
        if operation.duplicate_of:
            operation.not_committed()
            if operation.conflicts:
                operation.conflicted()
        else:
            operation.committed()
        if not operation.future.done():
            operation.future.set_result(operation.duplicate_of)
    for settle in batch.settles:
        settle.settled()
    for job in batch.jobs:
        if not job.future.done():
            job.future.set_result(job.result)


def _is_fatal(error: Exception) -> bool:
    """Tell whether the disk or the file can be trusted no more; a full disk or a lock goes by."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _FATAL
