"""The suite's engines: a store that can be opened again and whose disk can be filled."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from relay.clock import Steady, Wall
from relay.delivery.settle import Attempt, Settlement, Verdict
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState, Event, Owed
from relay.stores.contract import Store
from relay.stores.records import Append, Commit, DeliveryRecord, Settle
from relay.stores.sqlite.engine import SqliteStore

T = TypeVar("T")
NOW = Steady(1_700_000_000.0)
DEADLINE = 20.0  # seconds after which something that should have happened counts as lost


class Engine(Protocol):
    """One engine under test, with one place where it keeps its data."""

    async def open(self, observe: Callable[[Commit], None] = ...) -> Store:
        """Open a store on the data."""

    async def close(self, store: Store) -> None:
        """Close a store that `open` gave."""

    async def close_all(self) -> None:
        """Close what is still open."""

    async def fill_disk(self, store: Store) -> None:
        """Make every further commit of the store fail for want of space."""

    async def free_disk(self, store: Store) -> None:
        """Give the space back."""


class SqliteEngine:
    """SQLite on a file; a disk is filled by a limit on its pages.

    The mark moves with each batch, so that it has every chance to pass what is in memory alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stores: list[SqliteStore] = []

    async def open(self, observe: Callable[[Commit], None] = lambda _: None) -> SqliteStore:
        """Open a store on the file."""
        store = SqliteStore(self.path, observe=observe, mark_every=0.0)
        await store.open()
        self._stores.append(store)
        return store

    async def close(self, store: Store) -> None:
        """Close it, once."""
        assert isinstance(store, SqliteStore)
        self._stores.remove(store)
        await store.close()

    async def close_all(self) -> None:
        """Close what a test left open."""
        for store in list(self._stores):
            await self.close(store)

    async def fill_disk(self, store: Store) -> None:
        """Allow no page more than there are."""
        self._pragma(store, "max_page_count = 1")

    async def free_disk(self, store: Store) -> None:
        """Allow as many pages as SQLite can count."""
        self._pragma(store, "max_page_count = 1073741823")

    def _pragma(self, store: Store, text: str) -> None:
        # On the writer's own connection, as the limit is the connection's; SQLite serialises the
        # two threads.
        assert isinstance(store, SqliteStore)
        store.database.opened.connection.execute(f"PRAGMA {text}").fetchall()


class Appender:
    """Makes events and appends them, as the public listener does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.token = secrets.randbits(62)  # a lane's
        self.committed: list[str] = []
        self.not_committed: list[str] = []

    def event(self, now: float = NOW, **facts: Any) -> Event:
        """Return an event with a number and id of its own."""
        seq, event_id = self.store.writing.allocate(Wall(now))
        standard: dict[str, Any] = {
            "route": "hello", "sender": "", "type": "push", "key": "k", "dedupe_id": "",
            "received_at": now, "headers": {"content-type": "application/json"},
            "query": {"q": "1"}, "raw": b'{"a": 1}',
        }  # fmt: skip
        return Event(seq=seq, id=event_id, **standard | facts)

    def start(
        self,
        event: Event,
        targets: Mapping[str, bool] | None = None,
        *,
        until: float = 0.0,
        quarantined: bool = False,
        ordered: bool = False,
    ) -> "asyncio.Future[str]":
        """Start an append; `targets` says of each whether its delivery is held in memory."""
        targets = {"inbox": False} if targets is None else targets
        owed = tuple(Owed(f"to-{target}", target, ordered) for target in targets)
        return self.store.writing.append(
            Append(
                event,
                owed,
                tuple(targets.values()),
                Steady(event.received_at),
                quarantined,
                until - event.received_at if until else 0.0,
            ),
            lambda: self.committed.append(event.id),
            lambda: self.not_committed.append(event.id),
        )

    async def append(
        self,
        targets: Mapping[str, bool] | None = None,
        *,
        now: float = NOW,
        until: float = 0.0,
        ordered: bool = False,
        **facts: Any,
    ) -> Event:
        """Append an event that must be fresh, and return it."""
        event = self.event(now, **facts)
        assert await soon(self.start(event, targets, until=until, ordered=ordered)) == ""
        return event

    def held(self, event: Event, n: int = 0, target: str = "inbox") -> Delivery:
        """Return a delivery as a lane holds it in memory after the append."""
        since = Steady(event.received_at)
        return Delivery(event, n, f"to-{target}", target, 0, since, self.token)


def expect(record: DeliveryRecord, **fields: Any) -> None:
    """Assert what fields of a record are; a failure names those that differ."""
    differing = {
        name: f"{getattr(record, name)!r}, not {value!r}"
        for name, value in fields.items()
        if getattr(record, name) != value
    }
    assert not differing, differing


def after(seconds: float) -> Steady:
    """Return the time that many seconds after NOW."""
    return Steady(NOW + seconds)


async def soon(awaitable: "asyncio.Future[T]") -> T:
    """Wait for something that must happen."""
    return await asyncio.wait_for(awaitable, DEADLINE)


DELIVERED = Settlement(Verdict.DELIVERED, DeliveryState.DELIVERED, 1)
DROPPED = Settlement(Verdict.DROPPED, DeliveryState.DROPPED, 0)


def retry(
    due: float, attempts: int = 1, reason: DeliveryReason = DeliveryReason.UNAVAILABLE
) -> Settlement:
    """Return what a failed attempt with budget left leads to."""
    return Settlement(Verdict.RETRY, DeliveryState.PENDING, attempts, Steady(due), reason)


def dead(reason: DeliveryReason = DeliveryReason.REFUSED, attempts: int = 1) -> Settlement:
    """Return the end of a delivery."""
    return Settlement(Verdict.DEAD, DeliveryState.DEAD, attempts, reason=reason)


def start_settle(
    store: Store,
    delivery: Delivery,
    settlement: Settlement,
    *,
    at: float = NOW + 1,
    status: int = 200,
    detail: str = "",
) -> asyncio.Event:
    """Settle, and return what is set once it is on disk."""
    done = asyncio.Event()
    attempt = Attempt(Wall(at), 0.25, status, detail=detail)
    store.delivering.settle(Settle(delivery, settlement, attempt, Steady(at), done.set))
    return done


async def settle(store: Store, delivery: Delivery, settlement: Settlement, **more: Any) -> None:
    """Settle and wait until it is on disk."""
    await asyncio.wait_for(start_settle(store, delivery, settlement, **more).wait(), DEADLINE)
