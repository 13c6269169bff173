"""Events in one SQLite file: WAL, a sync for each commit, one process a file.

Exactly one connection writes and checkpoints, in the writer's thread; reads go through a second, read-only
one. SQLite comes with `pysqlite3`, whose build is free of the WAL-reset bug (SQLite 3.7.0 to 3.51.2).
"""

import asyncio
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from pysqlite3 import dbapi2

from relay.errors import StoreUnavailable, StoreUnusable
from relay.event import SEQ_SHIFT, TAG_BITS, format_id, parse_id
from relay.store import (
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
)
from relay.stores import prune, rows
from relay.stores.schema import VERSIONS
from relay.stores.writer import AppendOperation, Batch, Job, Writer, insert_many

T = TypeVar("T")
_SAFE = (3, 51, 3)
_APPLICATION = 0x52454C59  # "RELY", in the file's header
_FATAL = frozenset({dbapi2.SQLITE_IOERR, dbapi2.SQLITE_CORRUPT, dbapi2.SQLITE_NOTADB})
_BUSY = 5.0  # seconds that a foreign lock on the file is waited for
_LOOKUPS = 64  # ids that one statement looks up at most
_DEDUPE_WIDTH = 4
_MARK_EVERY = 1.0  # seconds between two moves of the mark
_EVENTS = f"INSERT INTO event ({rows.EVENT_COLUMNS})"
_DELIVERIES = f"INSERT INTO delivery ({rows.DELIVERY_COLUMNS})"
_ATTEMPTS = f"INSERT OR REPLACE INTO attempt ({rows.ATTEMPT_COLUMNS})"
# A settle inserts the row of a delivery held in memory, or updates the one its owner has claimed: a stale
# owner's token matches no longer, and nothing happens.
_SETTLED = """
ON CONFLICT (event, n) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, due = excluded.due,
token = NULL, settled = excluded.settled, reason = excluded.reason, status = excluded.status,
detail = excluded.detail WHERE delivery.state = 1 AND delivery.token = excluded.token
"""


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
        self._token = secrets.randbits(62)
        self._open_rows: dict[int, int] = {}  # event: deliveries of it in memory, without a row
        self._mark_moved = 0.0

    async def open(self) -> None:
        """Lock the file, check it, migrate, recover; raise StoreUnusable with the remedy."""
        await asyncio.to_thread(self._open)
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
        await asyncio.to_thread(self._opened.close)

    @property
    def waiting(self) -> int:
        """How many events wait for their commit."""
        return self._writer.waiting

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
        self, append: Append, committed: Callable[[], None], released: Callable[[], None]
    ) -> "asyncio.Future[str]":
        """Commit an event, or find that it is a duplicate."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            row = rows.event_row(append)
        except UnicodeError as error:  # it must not fail those who share its transaction
            released()
            future.set_exception(StoreUnavailable(f"the event can't be written: {error}"))
            return future
        self._writer.append(AppendOperation(append, row, committed, released, future))
        return future

    def settle(self, settle: Settle) -> None:
        """Record what became of a delivery with the next commit."""
        self._writer.settle(settle)

    async def claim(self, target: str, now: float, limit: int, size: int) -> Claim:
        """Take due deliveries of a target."""
        return await self._write(lambda connection: self._claim(connection, target, now, limit, size))

    async def replay(self, seq: int, n: int, now: float) -> bool:
        """Make an ended delivery pending again."""
        sql = (
            "UPDATE delivery SET state = 0, due = ?, since = ?, attempts = 0, token = NULL, settled = NULL, "
            "reason = '', status = 0, detail = '' WHERE event = ? AND n = ? AND state IN (2, 3, 4)"
        )
        return await self._write(lambda c: c.execute(sql, (now, now, seq, n)).rowcount == 1)

    async def bury(self, kept: Sequence[str], reason: str, now: float) -> dict[str, int]:
        """End what is pending for targets that are no more."""

        def work(connection: Any) -> dict[str, int]:
            waiting = connection.execute("SELECT DISTINCT target FROM delivery WHERE state IN (0, 1)")
            gone = [target for (target,) in waiting if target not in set(kept)]
            sql = (
                "UPDATE delivery SET state = 3, due = NULL, token = NULL, settled = ?, reason = ? "
                "WHERE target = ? AND state IN (0, 1)"
            )
            return {target: connection.execute(sql, (now, reason, target)).rowcount for target in gone}

        return await self._write(work)

    async def prune(self, retention: Retention, now: float, beyond: int, limit: int) -> Pruned:
        """Delete a few old events; what may go is found by the reader, so that commits wait for the rest alone."""
        old, beyond = await self._read(lambda c: prune.candidates(c, retention, now, beyond, limit))
        old = [seq for seq in old if seq not in self._open_rows]
        if not old:
            return Pruned(0, beyond)
        return Pruned(await self._write(lambda c: prune.delete(c, old)), beyond)

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
        return await self._read(lambda c: self._records(c, where, values, query.limit))

    async def dead(self, query: Query) -> list[DeliveryRecord]:
        """List dead letters, the newest events' first."""
        where, values = _conditions(query, {"target": query.target, "reason": query.reason}, "event")
        if query.route:
            where += " AND (SELECT route FROM event WHERE seq = delivery.event) = ?"
            values.append(query.route)

        def work(connection: Any) -> list[DeliveryRecord]:
            sql = f"SELECT {rows.DELIVERY_COLUMNS} FROM delivery WHERE state = 3 AND {where}"
            found = connection.execute(
                f"{sql} ORDER BY event DESC, n LIMIT ?", [*values, query.limit]
            ).fetchall()
            if len(found) == query.limit:  # a page ends with an event, so that the next begins with one
                seq, n = found[-1][:2]
                found += connection.execute(f"{sql} AND event = ? AND n > ? ORDER BY n", [*values, seq, n])
            return [rows.delivery_record(row, self._tag) for row in found]

        return await self._read(work)

    async def counts(self) -> Counts:
        """Count from the partial indexes, whose size is that of the backlog."""

        def work(connection: Any) -> Counts:
            pending: dict[str, int] = {}
            oldest: dict[str, float] = {}
            found = connection.execute(
                "SELECT target, count(*), min(event) FROM delivery WHERE state IN (0, 1) GROUP BY target"
            )
            for target, count, seq in found.fetchall():
                pending[target] = count
                oldest[target] = (seq >> SEQ_SHIFT) / 1000
            dead = connection.execute(
                "SELECT target, reason, count(*) FROM delivery WHERE state = 3 GROUP BY target, reason"
            )
            counted = {(target, reason): count for target, reason, count in dead}
            return Counts(pending, oldest, counted, self._size())

        return await self._read(work)

    async def info(self) -> dict[str, Any]:
        """Name the engine, its version and the schema's."""
        return {"store": "sqlite", "sqlite": dbapi2.sqlite_version, "schema": len(VERSIONS)}

    # --- opening, in a thread of its own -------------------------------------------------------------

    def _open(self) -> None:
        if dbapi2.sqlite_version_info < _SAFE:
            raise StoreUnusable(
                f"SQLite {dbapi2.sqlite_version} can corrupt a WAL database; install pysqlite3 >= 0.6.1"
            )
        with ExitStack() as opened:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                opened.callback(os.close, _lock(self._path))
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                _check_header(self._path)
            except OSError as error:
                raise StoreUnusable(
                    f"{self._path} can't be made or written: {error.strerror}; check the folder and its mode"
                ) from error
            try:
                self._connection = self._connect(self._path)
                opened.callback(self._connection.close)
                self._prepare(self._connection)
                self._reader = self._connect(f"{self._path.absolute().as_uri()}?mode=ro")
                opened.callback(self._reader.close)
                self._reader.execute("PRAGMA wal_autocheckpoint = 0")
            except dbapi2.Error as error:
                raise StoreUnusable(
                    f"{self._path} can't be used: {error}. Nothing was changed; check that it is a relay's "
                    "database, that it can be written, and that the disk has space"
                ) from error
            self._opened = opened.pop_all()

    def _connect(self, name: Path | str) -> Any:
        return dbapi2.connect(
            name,
            uri=isinstance(name, str),
            timeout=_BUSY,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )

    def _prepare(self, connection: Any) -> None:
        if not self._path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync there does not reach the disk
        connection.execute("PRAGMA cache_size = -16384")
        if connection.execute("PRAGMA synchronous").fetchone() != (2,):
            raise StoreUnusable(f"{self._path}: this SQLite does not sync every commit")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check_version(self._path, version)
        connection.execute("BEGIN IMMEDIATE")
        for number, script in enumerate(VERSIONS[version:], version + 1):
            for statement in script.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(
            "INSERT INTO meta VALUES ('tag', ?), ('mark', 0) ON CONFLICT DO NOTHING",
            (secrets.randbits(TAG_BITS),),
        )
        self._tag, mark = (_meta(connection, key) for key in ("tag", "mark"))
        self._recover(connection, mark)
        connection.execute("COMMIT")
        # Now the file itself tells what it is, without its log.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _recover(self, connection: Any, mark: int) -> None:
        """Make what the last process had in its hands pending in the store."""
        connection.execute("UPDATE delivery SET state = 0, token = NULL WHERE state = 1")
        found = connection.execute(f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE seq >= ?", (mark,))
        missing: list[Any] = []
        for row in found:
            owed = rows.read_owed(row[8])
            known = {n for (n,) in connection.execute("SELECT n FROM delivery WHERE event = ?", (row[0],))}
            event = rows.read_event(row, self._tag) if len(known) < len(owed) else None
            if event is not None:
                for n, one in enumerate(owed):
                    if n not in known:
                        missing += rows.pending_row(event, n, one)
        insert_many(connection, _DELIVERIES, "", rows.DELIVERY_WIDTH, missing)
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
        self._last_seq = last
        connection.execute("UPDATE meta SET value = ? WHERE key = 'mark'", (last + 1,))

    # --- writing, in the writer's thread -------------------------------------------------------------

    def _plan(self, batch: Batch) -> None:
        """Prepare a batch's rows in the loop, so that the writer's thread needs little of the interpreter."""
        mark = 0
        now = time.monotonic()
        if now - self._mark_moved >= _MARK_EVERY:
            # As of the last commit; of this batch nothing counts yet, so that a rollback can't make it wrong.
            self._mark_moved = now
            mark = min(self._open_rows, default=0) or min(
                (o.append.event.seq for o in batch.appends), default=0
            )
        plan = _Plan(mark, [o for o in batch.appends if o.append.dedupe_until])
        for operation in batch.appends:
            plan.add(operation)
        for settle in batch.settles:
            plan.settled += rows.settled_row(settle)
            if settle.settlement.reason is not None and settle.attempt is not None:
                plan.attempts += rows.attempt_row(settle, settle.attempt)
        batch.plan = plan

    def _committed(self, batch: Batch) -> None:
        counts = self._open_rows
        for operation in batch.appends:
            append = operation.append
            if not operation.duplicate_of and (held := sum(append.held)):
                counts[append.event.seq] = held
        for settle in batch.settles:
            delivery = settle.delivery
            seq = delivery.event.seq
            if delivery.token == self._token and seq in counts:
                counts[seq] -= 1
                if not counts[seq]:
                    del counts[seq]

    def _transact(self, connection: Any, batch: Batch) -> None:
        plan: _Plan = batch.plan
        if plan.mark:
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'mark' AND value < ?", (plan.mark, plan.mark)
            )
        if plan.deduplicated and self._find_duplicates(connection, plan.deduplicated):
            plan.events.clear()
            plan.waiting.clear()
            for operation in batch.appends:
                if not operation.duplicate_of:
                    plan.add(operation)
        insert_many(connection, _EVENTS, "", rows.EVENT_WIDTH, plan.events)
        insert_many(connection, _DELIVERIES, "", rows.DELIVERY_WIDTH, plan.waiting)
        insert_many(connection, _DELIVERIES, _SETTLED, rows.DELIVERY_WIDTH, plan.settled)
        insert_many(connection, _ATTEMPTS, "", rows.ATTEMPT_WIDTH, plan.attempts)
        for job in batch.jobs:
            job.result = job.work(connection)

    def _find_duplicates(self, connection: Any, asked: list[AppendOperation]) -> bool:
        """Mark the duplicates, remember the ids of the others; tell whether there are duplicates."""
        now = time.time()
        known: dict[tuple[str, str], str] = {}
        keys = [_dedupe_key(operation.append) for operation in asked]
        for start in range(0, len(keys), _LOOKUPS):
            part = keys[start : start + _LOOKUPS]
            marks = ",".join(["(?,?)"] * len(part))
            found = connection.execute(
                f"SELECT id, scope, event, until FROM dedupe WHERE (id, scope) IN (VALUES {marks})",
                [value for key in part for value in key],
            )
            for dedupe_id, scope, seq, until in found:
                if until > now:
                    known[dedupe_id, scope] = format_id(seq, self._tag)
        remembered: list[Any] = []
        for operation, key in zip(asked, keys, strict=True):
            operation.duplicate_of = known.get(key, "")
            if not operation.duplicate_of:
                event = operation.append.event
                known[key] = event.id
                remembered += (*key, event.seq, operation.append.dedupe_until)
        insert_many(connection, "INSERT OR REPLACE INTO dedupe", "", _DEDUPE_WIDTH, remembered)
        return any(operation.duplicate_of for operation in asked)

    def _claim(self, connection: Any, target: str, now: float, limit: int, size: int) -> Claim:
        found = connection.execute(
            f"SELECT d.n, d.forward, d.target, d.attempts, d.since, {rows.EVENT_COLUMNS} "
            "FROM delivery d JOIN event ON seq = d.event "
            "WHERE d.target = ? AND d.state = 0 AND d.due <= ? ORDER BY d.due LIMIT ?",
            (target, now, limit),
        )
        token = secrets.randbits(62)
        claimed = []
        for row in found:
            event = rows.read_event(row[5:], self._tag)
            claimed.append(rows.read_delivery(row[:5], event, token))
            size -= len(event.body)
            if size <= 0:
                break
        found.close()
        connection.executemany(
            "UPDATE delivery SET state = 1, token = ? WHERE event = ? AND n = ?",
            [(token, delivery.event.seq, delivery.n) for delivery in claimed],
        )
        (due,) = connection.execute(
            "SELECT min(due) FROM delivery WHERE target = ? AND state = 0", (target,)
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

    def _records(self, connection: Any, where: str, values: Sequence[Any], limit: int) -> list[EventRecord]:
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


class _Plan:
    """The values of a batch's rows, one row after another."""

    __slots__ = ("attempts", "deduplicated", "events", "mark", "settled", "waiting")

    def __init__(self, mark: int, deduplicated: list[AppendOperation]) -> None:
        self.mark = mark
        self.deduplicated = deduplicated
        self.events: list[Any] = []
        self.waiting: list[Any] = []
        self.settled: list[Any] = []
        self.attempts: list[Any] = []

    def add(self, operation: AppendOperation) -> None:
        """Add an event, and a row for each of its deliveries that is not held in memory."""
        append = operation.append
        self.events += operation.row
        if not all(append.held):
            for n, (owed, held) in enumerate(zip(append.owed, append.held, strict=True)):
                if not held:
                    self.waiting += rows.pending_row(append.event, n, owed)


def _is_fatal(error: Exception) -> bool:
    """Tell whether the disk or the file can be trusted no more; a full disk or a lock goes by."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _FATAL


def _dedupe_key(append: Append) -> tuple[str, str]:
    return rows.text(append.event.dedupe_id), f"{append.event.route}/{append.event.sender}"


def _conditions(query: Query, equal: dict[str, str], seq: str) -> tuple[str, list[Any]]:
    parts, values = ["1"], list[Any]()
    for column, value in equal.items():
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if query.before:
        parts.append(f"{seq} < ?")
        values.append(query.before)
    return " AND ".join(parts), values


def _check_header(path: Path) -> None:
    """Raise StoreUnusable if the file is none of ours, before anything of it is touched.

    The header's format: https://sqlite.org/fileformat2.html#the_database_header
    """
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StoreUnusable(f"{path} is not a database; name another file as `store`")
    if int.from_bytes(header[68:72], "big") != _APPLICATION:
        raise StoreUnusable(f"{path} is a database, but not a relay's; name another file as `store`")
    _check_version(path, int.from_bytes(header[60:64], "big"))


def _check_version(path: Path, version: int) -> None:
    if version > len(VERSIONS):
        raise StoreUnusable(
            f"{path} was written by a newer relay (schema {version}, this one knows {len(VERSIONS)}); "
            "run that version, or start with another file"
        )


def _meta(connection: Any, key: str) -> int:
    (value,) = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(value)


def _lock(path: Path) -> int:
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreUnusable(
            f"{path} is in use by another relay; stop that one, or give this one a `store` of its own"
        ) from None
    return handle
