"""One opened file, shared by the parts of the store: a thread that writes, and reads beside it."""

import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pysqlite3 import dbapi2

from relay.errors import StoreUnavailable
from relay.stores.records import Commit
from relay.stores.sqlite.batch import Job
from relay.stores.sqlite.file import Opened, open_file
from relay.stores.sqlite.ledger import Ledger
from relay.stores.sqlite.writer import Writer

T = TypeVar("T")


class Database:
    """A file, its writer and its ledger; all but `path` is there once it is open.

    `tag` tells this store's ids from others', `last_seq` is the highest sequence number that was
    given out.
    """

    opened: Opened
    writer: Writer
    ledger: Ledger
    tag: int
    last_seq: int

    def __init__(
        self,
        path: Path,
        *,
        observe: Callable[[Commit], None],
        failed: Callable[[Exception], None],
        busy: float,
        mark_every: float,
    ) -> None:
        self.path = path
        self._observe = observe
        self._failed = failed
        self._busy = busy
        self._mark_every = mark_every
        self._reading = threading.Lock()

    async def open(self) -> None:
        """Open the file and start the writer; raise StoreUnusable with the remedy."""
        self.opened = opened = await asyncio.to_thread(open_file, self.path, self._busy)
        self.tag, self.last_seq = opened.tag, opened.last_seq
        self.ledger = Ledger(opened.pending, self._mark_every)
        self.writer = Writer(
            opened.connection, opened.tag, self.ledger, observe=self._observe, failed=self._failed
        )
        self.writer.start()

    async def close(self) -> None:
        """Commit all that waits, then close the file."""
        await self.writer.stop()
        await asyncio.to_thread(self._close)

    async def write(self, work: Callable[[Any], T]) -> T:
        """Do work on the writing connection, inside the next transaction.

        Raises StoreUnavailable if that fails; then nothing of it is stored.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.writer.add_job(Job(work, future))
        result: T = await future
        return result

    async def read(self, work: Callable[[Any], T]) -> T:
        """Do work on the reading connection, in a thread; raises StoreUnavailable if that fails."""

        def locked() -> T:
            with self._reading:
                return work(self.opened.reader)

        try:
            return await asyncio.to_thread(locked)
        except dbapi2.Error as error:
            raise StoreUnavailable(f"the store could not be read: {error}") from error

    def _close(self) -> None:
        # A read that was cancelled goes on in its thread: to close its connection meanwhile would
        # end the process by a segmentation fault.
        with self._reading:
            if self.writer.broken:
                self.opened.abandon()
            else:
                self.opened.close()

    def free(self) -> int:
        """Return how many bytes are free on the file's disk. Blocking; raises OSError."""
        return shutil.disk_usage(self.path.parent).free

    def size(self) -> int:
        """Return how many bytes the file and its log have. Blocking."""
        files = (self.path, Path(f"{self.path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
