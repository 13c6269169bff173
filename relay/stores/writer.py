"""Group commit: one thread takes everything that waits, runs one transaction, syncs, and reports back.

The thread owns the only connection that writes. Rows go in with many-row statements: each step of SQLite
hands the interpreter's lock over and back, so that one step for 64 rows beats 64 steps by far.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from relay.errors import StoreUnavailable
from relay.store import Append, Commit, Settle

_CHUNKS = (64, 16, 4, 1)
_BATCH = 1024  # operations in one transaction at most
_RETRY = 1.0  # seconds until settles that could not be committed are tried again


@dataclass(slots=True)
class AppendOperation:
    """An append on its way to the disk and back."""

    append: Append
    committed: Callable[[], None]
    future: "asyncio.Future[str]"
    duplicate_of: str = ""


@dataclass(slots=True)
class Job:
    """Any other work on the writing connection, inside the transaction."""

    work: Callable[[Any], Any]
    future: "asyncio.Future[Any]"
    result: Any = None


Operation = AppendOperation | Settle | Job
Transaction = Callable[[Any, list[AppendOperation], list[Settle], list[Job]], Callable[[], None]]


def insert_many(connection: Any, head: str, tail: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run `head VALUES (…),(…) tail` over all rows, in as few statements as a fixed set of sizes allows."""
    if not rows:
        return
    marks = "(" + ",".join("?" * len(rows[0])) + ")"
    start = 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            values = [value for row in rows[start : start + size] for value in row]
            connection.execute(f"{head} VALUES {','.join([marks] * size)} {tail}", values)
            start += size


class Writer:
    """The thread and its queue.

    `transact` does a batch's statements between BEGIN and COMMIT, and returns what to do once that succeeded.
    """

    def __init__(
        self,
        connection: Any,
        transact: Transaction,
        observe: Callable[[Commit], None],
        linger: float,
    ) -> None:
        self._connection = connection
        self._transact = transact
        self._observe = observe
        self._linger = linger
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="relay-writer", daemon=True)
        self.waiting = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation; call from the loop."""
        self.waiting += 1
        self._queue.put(operation)

    async def stop(self) -> None:
        """Commit what is queued, then end the thread."""
        self._queue.put(None)
        await self._stopped

    def _run(self) -> None:
        retained: list[Settle] = []  # settles of transactions that failed; they are facts, so they stay
        stopping = False
        busy = False
        while not stopping:
            batch: list[Operation] = []
            try:
                first = self._queue.get(timeout=_RETRY if retained else None)
            except Empty:
                retained = self._commit(batch, retained)
                continue
            if busy and first is not None and self._linger:
                time.sleep(self._linger)
            stopping = self._take(first, batch)
            busy = len(batch) > 1
            retained = self._commit(batch, retained)
        if retained:
            self._commit([], retained)
        self._loop.call_soon_threadsafe(self._stopped.set_result, None)

    def _take(self, first: Operation | None, batch: list[Operation]) -> bool:
        operation = first
        while operation is not None:
            batch.append(operation)
            if self._queue.empty() or len(batch) >= _BATCH:
                return False
            operation = self._queue.get_nowait()
        return True

    def _commit(self, batch: list[Operation], retained: list[Settle]) -> list[Settle]:
        appends = [operation for operation in batch if isinstance(operation, AppendOperation)]
        settles = retained + [operation for operation in batch if isinstance(operation, Settle)]
        jobs = [operation for operation in batch if isinstance(operation, Job)]
        began = time.perf_counter()
        error: Exception | None = None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            committed = self._transact(self._connection, appends, settles, jobs)
            self._connection.execute("COMMIT")
            committed()
        except Exception as failure:  # noqa: BLE001  whatever the engine raises, the waiters are told
            error = failure
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        commit = Commit(len(batch), time.perf_counter() - began)
        done = settles if error is None else []
        self._loop.call_soon_threadsafe(self._finish, len(batch), appends, done, jobs, commit, error)
        return settles if error is not None else []

    def _finish(
        self,
        count: int,
        appends: Iterable[AppendOperation],
        settles: Iterable[Settle],
        jobs: Iterable[Job],
        commit: Commit,
        error: Exception | None,
    ) -> None:
        self.waiting -= count
        self._observe(commit)
        for operation in appends:
            future = operation.future
            if error is not None:
                _fail(future, error)
                continue
            if not operation.duplicate_of:
                operation.committed()
            if not future.done():
                future.set_result(operation.duplicate_of)
        for settle in settles:
            settle.settled()
        for job in jobs:
            if error is not None:
                _fail(job.future, error)
            elif not job.future.done():
                job.future.set_result(job.result)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        failure = StoreUnavailable(f"the store could not commit: {error}")
        failure.__cause__ = error
        future.set_exception(failure)
