"""The part of the store that accepts events; see `relay.stores.contract.Writing`."""

import asyncio
from collections.abc import Callable

from relay.clock import Wall
from relay.errors import StoreUnavailable
from relay.event import SEQ_SHIFT, format_id
from relay.stores.records import Append
from relay.stores.sqlite import rows
from relay.stores.sqlite.batch import AppendOperation
from relay.stores.sqlite.database import Database


class SqliteWriting:
    """Accepts events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def waiting(self) -> int:
        """How many events wait for their commit."""
        return self._database.writer.waiting

    @property
    def pending(self) -> int:
        """How many deliveries have not ended, as of the last commit."""
        return self._database.ledger.pending

    @property
    def fault(self) -> str:
        """Why the last commit failed, or ''."""
        return self._database.writer.fault

    def free(self) -> int:
        """Return how many bytes are free on the file's disk. Blocking."""
        return self._database.free()

    def allocate(self, now: Wall) -> tuple[int, str]:
        """Return a new event's sequence number, which rises with `now`, and its public id."""
        database = self._database
        database.last_seq = seq = max(database.last_seq + 1, int(now * 1000) << SEQ_SHIFT)
        return seq, format_id(seq, database.tag)

    def append(
        self,
        append: Append,
        committed: Callable[[], None],
        not_committed: Callable[[], None],
        conflicted: Callable[[], None] = lambda: None,
    ) -> "asyncio.Future[str]":
        """Commit an event, or find that it is a duplicate."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            row = rows.event_row(append)
        except UnicodeError as error:
            # Found here, it fails this event alone and not all that share its transaction.
            not_committed()
            future.set_exception(StoreUnavailable(f"the event can't be written: {error}"))
            return future
        self._database.writer.add_append(
            AppendOperation(append, row, committed, not_committed, conflicted, future)
        )
        return future
