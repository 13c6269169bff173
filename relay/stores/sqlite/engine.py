"""Events in one SQLite file: WAL, a sync for each commit, one process a file.

Exactly one connection writes and checkpoints, in the writer's thread; reads go through a second, read-only
one. SQLite comes with `pysqlite3`, whose build is free of the WAL-reset bug (SQLite 3.7.0 to 3.51.2).
"""

import asyncio
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pysqlite3 import dbapi2

from relay.errors import StoreUnavailable
from relay.event import SEQ_SHIFT, DeliveryState, Event, Owed, format_id, parse_id
from relay.stores.contract import (
    Append,
    AttemptRecord,
    Claim,
    Commit,
    Counts,
    DeliveryRecord,
    EventRecord,
    Pruned,
    Query,
    Retention,
    Settle,
    Walked,
)
from relay.stores.sqlite import backlog, division, ordered, prune, rows
from relay.stores.sqlite.batch import Plan, pause
from relay.stores.sqlite.file import open_file
from relay.stores.sqlite.schema import VERSIONS
from relay.stores.sqlite.walk import walk
from relay.stores.sqlite.writer import AppendOperation, Batch, Job, Writer, insert_many

T = TypeVar("T")
_BREATH = 0.005  # seconds between two steps of giving space back
_FATAL = frozenset({dbapi2.SQLITE_IOERR, dbapi2.SQLITE_CORRUPT, dbapi2.SQLITE_NOTADB})
_BURIED = 1000  # deliveries that are buried together, so that commits need not wait for all
_BURY = (
    "UPDATE delivery SET state = 3, due = NULL, token = NULL, settled = ?, reason = ? WHERE (event, n) IN "
    "(SELECT event, n FROM delivery WHERE target = ? AND state IN (0, 1) LIMIT ?)"
)
_MARK_EVERY = 1.0  # seconds between two moves of the mark


class SqliteStore:
    """The embedded store."""

    def __init__(
        self,
        path: Path,
        *,
        observe: Callable[[Commit], None] = lambda _: None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._observe = observe
        self._failed = failed
        self._reading = threading.Lock()
        self._last_seq = 0
        self._tag = 0
        self._pending = 0
        self._token = secrets.randbits(62)
        self._open_rows: dict[int, int] = {}  # event: deliveries of it in memory, without a row
        self._mark_moved = 0.0

    async def open(self) -> None:
        """Lock the file, check it, migrate, recover; raise StoreUnusable with the remedy."""
        opened = await asyncio.to_thread(open_file, self._path)
        self._tag, self._last_seq = opened.tag, opened.last_seq
        self._pending = opened.pending
        self._connection, self._reader = opened.connection, opened.reader
        self._opened = opened
        self._writer = Writer(
            self._connection,
            plan=self._plan,
            transact=self._transact,
            done=self._committed,
            observe=self._observe,
            is_fatal=_is_fatal,
            failed=self._failed,
        )
        self._writer.start()

    async def close(self) -> None:
        """Commit what waits, then close."""
        await self._writer.stop()
        await asyncio.to_thread(self._opened.abandon if self._writer.broken else self._opened.close)

    @property
    def waiting(self) -> int:
        """How many events wait for their commit."""
        return self._writer.waiting

    @property
    def pending(self) -> int:
        """How many deliveries have not ended."""
        return self._pending

    @property
    def fault(self) -> str:
        """Why the last commit failed."""
        return self._writer.fault

    def free(self) -> int:
        """How many bytes are free on the file's disk."""
        return shutil.disk_usage(self._path.parent).free

    def allocate(self, now: float) -> tuple[int, str]:
        """Return a new event's sequence number, rising with time, and public id."""
        seq = max(self._last_seq + 1, int(now * 1000) << SEQ_SHIFT)
        self._last_seq = seq
        return seq, format_id(seq, self._tag)

    @property
    def token(self) -> int:
        """The token under which this process holds deliveries in memory."""
        return self._token

    def append(
        self,
        append: Append,
        committed: Callable[[], None],
        released: Callable[[], None],
        conflicted: Callable[[], None] = lambda: None,
    ) -> "asyncio.Future[str]":
        """Commit an event, or find that it is a duplicate."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            row = rows.event_row(append)
        except UnicodeError as error:  # it must not fail those who share its transaction
            released()
            future.set_exception(StoreUnavailable(f"the event can't be written: {error}"))
            return future
        self._writer.append(AppendOperation(append, row, committed, released, conflicted, future))
        return future

    def settle(self, settle: Settle) -> None:
        """Record what became of a delivery with the next commit."""
        self._writer.settle(settle)

    async def claim(
        self, target: str, now: float, limit: int, size: int, partition: int = 0
    ) -> Claim:
        """Take due deliveries of a lane."""
        return await self._write(lambda c: self._claim(c, (target, partition), now, limit, size))

    async def divided(self) -> Mapping[str, int]:
        """Read the table of divisions."""
        return dict(
            await self._read(lambda c: c.execute("SELECT target, count FROM partitions").fetchall())
        )

    async def divide(self, target: str, partitions: int) -> int:
        """Divide a target's deliveries into lanes, a few at a time."""
        if await self._write(lambda c: division.count(c, target)) == partitions:
            return 0
        moved, beyond = 0, [0, 0]
        while beyond:
            move = partial(
                division.move, target=target, partitions=partitions, tag=self._tag, beyond=beyond
            )
            beyond = await self._write(move)
            moved += division.MOVED if beyond else 0
        await self._write(lambda c: division.remember(c, target, partitions))
        return moved

    async def replay(self, seq: int, n: int, now: float) -> bool:
        """Make an ended delivery pending again."""
        replayed = await self._write(lambda c: ordered.replay(c, seq, n, now, self._tag))
        self._pending += replayed
        return replayed

    async def release(self, event: Event, owed: Sequence[Owed], now: float) -> bool:
        """Let an event out of quarantine."""

        def work(connection: Any) -> bool:
            freed = connection.execute(
                "UPDATE event SET quarantined = 0, owed = ? WHERE seq = ? AND quarantined = 1",
                (rows.write_owed(owed), event.seq),
            ).rowcount
            if not freed:
                return False
            lines = [(event, n, one, now) for n, one in enumerate(owed) if one.ordered]
            values = ordered.in_line(connection, lines)
            for n, one in enumerate(owed):
                if not one.ordered:
                    values += rows.pending_row(event, n, one, now)
            insert_many(connection, rows.INSERT_DELIVERIES, "", rows.DELIVERY_WIDTH, values)
            return True

        released = await self._write(work)
        self._pending += len(owed) * released
        return released

    async def bury(self, kept: Sequence[str], reason: str, now: float) -> dict[str, int]:
        """End what is pending for targets that are no more."""
        buried = {target: 0 for target in await self._read(backlog.targets) if target not in kept}
        for target in buried:
            bury = partial(_bury, values=(now, reason, target, _BURIED))
            while count := await self._write(bury):
                buried[target] += count
                self._pending -= count
        return buried

    async def hasten(self, latest: Mapping[str, float], now: float) -> int:
        """Make due what is due so late that no wait can have led to it."""
        return await self._write(lambda c: backlog.hasten(c, latest, now)) if latest else 0

    async def pause(self, target: str, now: float) -> None:
        """Remember that a target is paused."""
        await self._write(lambda c: pause(c, target, now))

    async def resume(self, target: str) -> None:
        """Forget it."""
        await self._write(lambda c: c.execute("DELETE FROM paused WHERE target = ?", (target,)))

    async def paused(self) -> frozenset[str]:
        """Return the targets that are paused."""
        found = await self._read(lambda c: c.execute("SELECT target FROM paused").fetchall())
        return frozenset(target for (target,) in found)

    async def prune(self, retention: Retention, now: float, beyond: int, limit: int) -> Pruned:
        """Delete a few old events; what may go is found by the reader, so that commits wait for the rest alone."""
        old, beyond = await self._read(lambda c: prune.candidates(c, retention, now, beyond, limit))
        old = [seq for seq in old if seq not in self._open_rows]
        if not old:
            return Pruned(0, beyond)
        gone = await self._write(lambda c: prune.delete(c, old))
        # Each step in a transaction of its own, so that commits come between.
        while True:
            if not await self._write(prune.give_back):
                return Pruned(gone, beyond)
            await asyncio.sleep(_BREATH)

    async def find(self, id_or_dedupe_id: str) -> list[EventRecord]:
        """Look an event up by the relay's id, or by the sender's."""
        parsed = parse_id(id_or_dedupe_id)
        if parsed is not None and parsed[1] == self._tag:
            return await self._read(lambda c: self._records(c, "seq = ?", [parsed[0]], 1))
        where = "seq IN (SELECT event FROM dedupe WHERE id = ?)"
        return await self._read(lambda c: self._records(c, where, [rows.text(id_or_dedupe_id)], 10))

    async def events(self, query: Query) -> list[EventRecord]:
        """List events, the newest first."""
        where, values = _conditions(query, {"route": query.route, "type": query.type}, "seq")
        if query.quarantined:
            where += " AND quarantined = 1"
        return await self._read(lambda c: self._records(c, where, values, query.limit))

    async def walk(self, query: Query, beyond: int, size: int) -> Walked:
        """Return a page of accepted events, the oldest first."""
        return await self._read(lambda c: walk(c, self._tag, query, beyond, size))

    async def dead(self, query: Query) -> list[DeliveryRecord]:
        """List dead letters, the newest events' first."""
        where, values = _conditions(
            query, {"target": query.target, "reason": query.reason}, "event"
        )
        if query.route:
            where += " AND (SELECT route FROM event WHERE seq = delivery.event) = ?"
            values.append(query.route)

        def work(connection: Any) -> list[DeliveryRecord]:
            sql = f"SELECT {rows.DELIVERY_COLUMNS} FROM delivery WHERE state = 3 AND {where}"
            found = connection.execute(
                f"{sql} ORDER BY event DESC, n LIMIT ?", [*values, query.limit]
            ).fetchall()
            if (
                len(found) == query.limit
            ):  # a page ends with an event, so that the next begins with one
                seq, n = found[-1][:2]
                found += connection.execute(
                    f"{sql} AND event = ? AND n > ? ORDER BY n", [*values, seq, n]
                )
            return [rows.delivery_record(row, self._tag) for row in found]

        return await self._read(work)

    async def counts(self) -> Counts:
        """Count from the partial indexes, whose size is that of the backlog."""

        def work(connection: Any) -> Counts:
            pending, oldest = backlog.by_target(connection)
            ages = {target: (seq >> SEQ_SHIFT) / 1000 for target, seq in oldest.items()}
            return Counts(pending, ages, backlog.dead(connection), self._size(), self.free())

        return await self._read(work)

    async def info(self) -> dict[str, Any]:
        """Name the engine, its version and the schema's."""
        return {"store": "sqlite", "sqlite": dbapi2.sqlite_version, "schema": len(VERSIONS)}

    # --- writing, in the writer's thread -------------------------------------------------------------

    def _plan(self, batch: Batch) -> None:
        """Prepare a batch in the loop."""
        mark = 0
        now = time.monotonic()
        if now - self._mark_moved >= _MARK_EVERY:
            # As of the last commit; of this batch nothing counts yet, so that a rollback can't make it wrong.
            self._mark_moved = now
            mark = min(self._open_rows, default=0) or min(
                (o.append.event.seq for o in batch.appends), default=0
            )
        batch.plan = Plan(batch, mark, probes=bool(self._writer.fault) and not batch.size)

    def _committed(self, batch: Batch) -> None:
        counts = self._open_rows
        for operation in batch.appends:
            append = operation.append
            if operation.duplicate_of:
                continue
            self._pending += len(append.owed)
            if held := sum(append.held):
                counts[append.event.seq] = held
        for settle in batch.settles:
            delivery = settle.delivery
            seq = delivery.event.seq
            self._pending -= settle.settlement.state is not DeliveryState.PENDING
            if delivery.token == self._token and seq in counts:
                counts[seq] -= 1
                if not counts[seq]:
                    del counts[seq]

    def _transact(self, connection: Any, batch: Batch) -> None:
        plan: Plan = batch.plan
        plan.write(connection, self._tag)
        for job in batch.jobs:
            job.result = job.work(connection)

    def _claim(
        self, connection: Any, lane: tuple[str, int], now: float, limit: int, size: int
    ) -> Claim:
        found = connection.execute(
            f"SELECT d.n, d.forward, d.target, d.attempts, d.since, d.ordering, d.partition, {rows.EVENT_COLUMNS} "
            "FROM delivery d JOIN event ON seq = d.event "
            "WHERE d.target = ? AND d.partition = ? AND d.state = 0 AND d.due <= ? ORDER BY d.due LIMIT ?",
            (*lane, now, limit),
        )
        token = secrets.randbits(62)
        claimed = []
        for row in found:
            event = rows.read_event(row[7:], self._tag)
            claimed.append(rows.read_delivery(row[:7], event, token))
            size -= len(event.raw)
            if size <= 0:
                break
        found.close()
        connection.executemany(
            "UPDATE delivery SET state = 1, token = ? WHERE event = ? AND n = ?",
            [(token, delivery.event.seq, delivery.n) for delivery in claimed],
        )
        (due,) = connection.execute(
            "SELECT min(due) FROM delivery WHERE target = ? AND partition = ? AND state = 0", lane
        ).fetchone()
        return Claim(claimed, due)

    async def _write(self, work: Callable[[Any], T]) -> T:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._writer.job(Job(work, future))
        result: T = await future
        return result

    # --- reading, in any thread ----------------------------------------------------------------------

    async def _read(self, work: Callable[[Any], T]) -> T:
        def locked() -> T:
            with self._reading:
                return work(self._reader)

        return await asyncio.to_thread(locked)

    def _records(
        self, connection: Any, where: str, values: Sequence[Any], limit: int
    ) -> list[EventRecord]:
        found = connection.execute(
            f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE {where} ORDER BY seq DESC LIMIT ?",
            [*values, limit],
        ).fetchall()
        return [self._record(connection, row) for row in found]

    def _record(self, connection: Any, row: rows.Row) -> EventRecord:
        deliveries = {
            stored[1]: stored
            for stored in connection.execute(
                f"SELECT {rows.DELIVERY_COLUMNS} FROM delivery WHERE event = ?", (row[0],)
            )
        }
        tried: dict[int, list[AttemptRecord]] = {}
        for _, n, at, attempt, duration, status, reason, detail in connection.execute(
            f"SELECT {rows.ATTEMPT_COLUMNS} FROM attempt WHERE event = ? ORDER BY n, at", (row[0],)
        ):
            record = AttemptRecord(attempt, at, duration, status, reason, detail)
            tried.setdefault(n, []).append(record)
        return rows.event_record(row, self._tag, deliveries, tried)

    def _size(self) -> int:
        files = (self._path, Path(f"{self._path}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())


def _bury(connection: Any, values: tuple[Any, ...]) -> int:
    return int(connection.execute(_BURY, values).rowcount)


def _is_fatal(error: Exception) -> bool:
    """Tell whether the disk or the file can be trusted no more; a full disk or a lock goes by."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _FATAL


def _conditions(query: Query, equal: dict[str, str], seq: str) -> tuple[str, list[Any]]:
    parts, values = ["1"], list[Any]()
    for column, value in equal.items():
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.before:
        parts.append(f"{seq} < ?")
        values.append(query.before)
    for at, compare in ((query.since, ">="), (query.until, "<")):
        if at:
            parts.append(f"{seq} {compare} ?")
            values.append(rows.seq_at(at))
    return " AND ".join(parts), values
