"""Events in one SQLite file: WAL, a sync for each commit, one process a file.

Exactly one connection writes and checkpoints, in the writer's thread; reads go through a second,
read-only one. SQLite comes with `pysqlite3`, whose build is free of the WAL-reset bug (SQLite 3.7.0
to 3.51.2).
"""

from collections.abc import Callable
from pathlib import Path

from relay.stores.records import Commit
from relay.stores.sqlite.asking import SqliteAsking
from relay.stores.sqlite.database import Database
from relay.stores.sqlite.delivering import SqliteDelivering
from relay.stores.sqlite.operating import SqliteOperating
from relay.stores.sqlite.writing import SqliteWriting


class SqliteStore:
    """The embedded store: its parts, over one file.

    `observe` is called in the loop after each transaction, `failed` once the disk or the file can
    be trusted no more. A foreign lock on the file is waited for `busy` seconds; the mark moves once
    in `mark_every` seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        observe: Callable[[Commit], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
        busy: float = 5.0,
        mark_every: float = 1.0,
    ) -> None:
        self.database = Database(
            path, observe=observe, failed=failed, busy=busy, mark_every=mark_every
        )
        self.writing = SqliteWriting(self.database)
        self.delivering = SqliteDelivering(self.database)
        self.asking = SqliteAsking(self.database)
        self.operating = SqliteOperating(self.database)

    async def open(self) -> None:
        """Lock the file, check it, migrate, recover; raise StoreUnusable with the remedy."""
        await self.database.open()

    async def close(self) -> None:
        """Commit all that waits, then close."""
        await self.database.close()
