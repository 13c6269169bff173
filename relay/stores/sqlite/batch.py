"""The operations that share one transaction."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from relay.stores.records import Append, Settle
from relay.stores.sqlite.rows import Row

_MOST = 1024  # operations of each kind in one transaction


@dataclass(slots=True)
class AppendOperation:
    """An append on its way to the disk and back.

    The transaction sets `duplicate_of` to the id of the event that it duplicates, and `conflicts`
    if that has another body.
    """

    append: Append
    row: Row
    committed: Callable[[], None]
    not_committed: Callable[[], None]
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
    """Operations in the order in which they came, by kind."""

    appends: list[AppendOperation] = field(default_factory=list)
    settles: list[Settle] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many operations there are."""
        return len(self.appends) + len(self.settles) + len(self.jobs)

    def cut(self) -> "Batch":
        """Keep as many operations as one transaction may have; return the others."""
        rest = Batch(self.appends[_MOST:], self.settles[_MOST:], self.jobs[_MOST:])
        for operations in (self.appends, self.settles, self.jobs):
            del operations[_MOST:]
        return rest
