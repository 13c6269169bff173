"""Group commit: everything that waits goes into one transaction, with one sync, in a thread of its own.

The loop collects operations and prepares their rows while the thread commits the batch before. The thread
owns the only connection that writes, and does as little as can be in Python: each of its statements hands the
interpreter's lock over and back, so that one statement for 64 rows beats 64 statements by far.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from relay.errors import StoreUnavailable
from relay.stores.contract import Append, Commit, Settle

_ROWS = 64  # rows of one statement at most; SQLite's statements are cached for each number up to it
_BATCH = 1024  # operations in one transaction at most
_RETRY = 1.0  # seconds until settles that could not be committed are tried again


@dataclass(slots=True)
class AppendOperation:
    """An append on its way to the disk and back."""

    append: Append
    row: tuple[Any, ...]
    committed: Callable[[], None]
    released: Callable[[], None]
    conflicted: Callable[[], None]
    future: "asyncio.Future[str]"
    duplicate_of: str = ""
    conflicts: bool = False


@dataclass(slots=True)
class Job:
    """Any other work on the writing connection, inside the transaction."""

    work: Callable[[Any], Any]
    future: "asyncio.Future[Any]"
    result: Any = None


@dataclass(slots=True)
class Batch:
    """What one transaction does. `plan` is what the store prepared for it."""

    appends: list[AppendOperation] = field(default_factory=list)
    settles: list[Settle] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    plan: Any = None

    @property
    def size(self) -> int:
        """How many operations it has."""
        return len(self.appends) + len(self.settles) + len(self.jobs)


def insert_many(connection: Any, head: str, tail: str, width: int, values: Sequence[Any]) -> None:
    """Run `head VALUES (…),(…) tail` over rows of `width` values that stand one after another in `values`."""
    marks = "(" + ",".join("?" * width) + ")"
    for start in range(0, len(values), _ROWS * width):
        part = values[start : start + _ROWS * width]
        connection.execute(f"{head} VALUES {','.join([marks] * (len(part) // width))} {tail}", part)


class Writer:
    """The thread and what waits for it.

    `plan` prepares a batch in the loop; `transact` does its statements between BEGIN and COMMIT in the
    thread; `done` is told in the loop once it is on disk. After an error that `is_fatal` nothing is committed any
    more, and `failed` is told.
    """

    def __init__(
        self,
        connection: Any,
        *,
        plan: Callable[[Batch], None],
        transact: Callable[[Any, Batch], None],
        done: Callable[[Batch], None],
        observe: Callable[[Commit], None],
        is_fatal: Callable[[Exception], bool],
        failed: Callable[[Exception], None],
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._transact = transact
        self._done = done
        self._observe = observe
        self._is_fatal = is_fatal
        self._failed = failed
        self._broken: Exception | None = None
        self._fault = ""
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._pending = Batch()
        self._busy = False
        self._retrying = False
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._idle = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay-writer", daemon=True)
        self._in_hand = 0

    @property
    def waiting(self) -> int:
        """How many appends are not on disk yet."""
        return len(self._pending.appends) + self._in_hand

    @property
    def fault(self) -> str:
        """Why the last transaction failed; '' if it did not."""
        return self._fault

    @property
    def broken(self) -> bool:
        """Whether nothing is committed any more."""
        return self._broken is not None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def append(self, operation: AppendOperation) -> None:
        """Queue an append."""
        if self._broken is not None:
            self._fail(Batch(appends=[operation]), self._broken)
            return
        self._pending.appends.append(operation)
        self._wake()

    def settle(self, settle: Settle) -> None:
        """Queue a settle; of a store that failed, the next start finds the delivery pending still."""
        if self._broken is not None:
            return
        self._pending.settles.append(settle)
        self._wake()

    def job(self, job: Job) -> None:
        """Queue any other work."""
        if self._broken is not None:
            self._fail(Batch(jobs=[job]), self._broken)
            return
        self._pending.jobs.append(job)
        self._wake()

    async def stop(self) -> None:
        """Commit what waits, or give it up if that fails, then end the thread."""
        while self._busy or self._pending.size:
            if not self._busy:
                self._flush()
            self._idle.clear()
            await self._idle.wait()
            if self._retrying:
                break  # the last try failed as well; the next start finds those deliveries pending
        if self._timer is not None:
            self._timer.cancel()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _wake(self) -> None:
        """See to it that what waits is flushed, at once even if a failed settle waits for its next try."""
        if not self._busy and (self._timer is None or self._retrying):
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._retrying = False
        self._timer = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._retrying = False
        batch = self._take()
        self._plan(batch)
        self._busy = True
        self._in_hand = len(batch.appends)
        self._queue.put(batch)

    def _take(self) -> Batch:
        batch, self._pending = self._pending, Batch()
        for name in ("appends", "settles", "jobs"):
            operations = getattr(batch, name)
            setattr(self._pending, name, operations[_BATCH:])
            del operations[_BATCH:]
        return batch

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            began = time.perf_counter()
            error: Exception | None = None
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._transact(self._connection, batch)
                self._connection.execute("COMMIT")
            except Exception as failure:  # noqa: BLE001 - whatever the engine raises, the waiters are told
                error = failure
                with contextlib.suppress(Exception):  # the first error is the one to tell
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            took = time.perf_counter() - began
            self._loop.call_soon_threadsafe(self._finish, batch, took, error)

    def _finish(self, batch: Batch, took: float, error: Exception | None) -> None:
        self._busy = False
        self._in_hand = 0
        self._fault = "" if error is None else str(error) or type(error).__name__
        if error is None:
            self._done(
                batch
            )  # before the next batch is planned: its mark must know what this one left open
            if self._pending.size:
                self._flush()  # the thread goes on while the loop tells the waiters
            self._succeed(batch)
        else:
            self._fail(batch, error)
            if self._is_fatal(error):
                self._give_up(error)
        self._observe(Commit(batch.size, took, self._fault))
        if self._timer is None and self._pending.size and not self._busy:
            self._schedule()
        self._idle.set()

    def _succeed(self, batch: Batch) -> None:
        for operation in batch.appends:
            if operation.duplicate_of:
                operation.released()
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

    def _give_up(self, error: Exception) -> None:
        """Take nothing any more: what a failed sync wrote may be anything, and a second one would lie.

        See https://lwn.net/Articles/752063/ (fsync's error is told once). A restart reads what is really there.
        """
        self._broken = error
        waiting, self._pending = self._pending, Batch()
        waiting.settles.clear()
        self._fail(waiting, error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._failed(error)

    def _fail(self, batch: Batch, error: Exception) -> None:
        for operation in batch.appends:
            operation.released()
        waiters: list[asyncio.Future[Any]] = [operation.future for operation in batch.appends]
        waiters += [job.future for job in batch.jobs]
        for future in waiters:
            if not future.done():
                failure = StoreUnavailable(f"the store could not commit: {error}")
                failure.__cause__ = error
                future.set_exception(failure)
        if batch.settles:  # what became of a delivery is a fact: it stays until it can be written
            self._pending.settles[:0] = batch.settles
        if not self._pending.appends and not self._pending.jobs and self._broken is None:
            # Also with nothing to write: that commits succeed again must not hang on somebody's next request.
            self._retrying = True
            self._timer = self._loop.call_later(_RETRY, self._flush)
