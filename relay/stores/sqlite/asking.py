"""The part of the store that reads events and their fates; see `relay.stores.contract.Asking`."""

from collections.abc import Sequence
from typing import Any

from pysqlite3 import dbapi2

from relay.clock import Wall
from relay.event import SEQ_SHIFT, parse_id
from relay.stores.records import (
    AttemptRecord,
    Counts,
    DeliveryRecord,
    EventRecord,
    Query,
    Walked,
)
from relay.stores.sqlite import backlog, rows
from relay.stores.sqlite.database import Database
from relay.stores.sqlite.schema import VERSIONS
from relay.stores.sqlite.walk import walk

_NAMESAKES = 10  # events of one sender's id that `find` gives at most: one a route and sender


class SqliteAsking:
    """Reads events and their fates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, id_or_dedupe_id: str) -> list[EventRecord]:
        """Look an event up by the relay's id, or by the sender's."""
        parsed = parse_id(id_or_dedupe_id)
        if parsed is not None and parsed[1] == self._database.tag:
            return await self._records("seq = ?", [parsed[0]], 1)
        where = "seq IN (SELECT event FROM dedupe WHERE id = ?)"
        return await self._records(where, [rows.text(id_or_dedupe_id)], _NAMESAKES)

    async def events(self, query: Query) -> list[EventRecord]:
        """List events, the newest first."""
        where, values = _conditions(query, {"route": query.route, "type": query.type}, "seq")
        if query.quarantined:
            where += " AND quarantined = 1"
        return await self._records(where, values, query.limit)

    async def walk(self, query: Query, beyond: int, size: int) -> Walked:
        """Return a page of accepted events, the oldest first."""
        tag = self._database.tag
        return await self._database.read(
            lambda connection: walk(connection, tag, query, beyond, size)
        )

    async def dead(self, query: Query) -> list[DeliveryRecord]:
        """List dead letters, the newest events' first."""
        tag = self._database.tag
        return await self._database.read(lambda connection: _dead(connection, tag, query))

    async def counts(self) -> Counts:
        """Count from the partial indexes, whose size is that of the backlog."""

        def count(connection: Any) -> Counts:
            pending, oldest = backlog.by_target(connection)
            ages = {target: Wall((seq >> SEQ_SHIFT) / 1000) for target, seq in oldest.items()}
            size, free = self._database.size(), self._database.free()
            return Counts(pending, ages, backlog.dead(connection), size, free)

        return await self._database.read(count)

    async def info(self) -> dict[str, Any]:
        """Name the engine, its version and its schema's."""
        return {"store": "sqlite", "sqlite": dbapi2.sqlite_version, "schema": len(VERSIONS)}

    async def _records(self, where: str, values: Sequence[Any], limit: int) -> list[EventRecord]:
        tag = self._database.tag
        sql = f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE {where} ORDER BY seq DESC LIMIT ?"

        def read(connection: Any) -> list[EventRecord]:
            events = connection.execute(sql, [*values, limit]).fetchall()
            return [_record(connection, tag, row) for row in events]

        return await self._database.read(read)


def _record(connection: Any, tag: int, row: rows.Row) -> EventRecord:
    """Return the record of the event in a row in the order of EVENT_COLUMNS."""
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
    return rows.event_record(row, tag, deliveries, tried)


def _dead(connection: Any, tag: int, query: Query) -> list[DeliveryRecord]:
    where, values = _conditions(query, {"target": query.target, "reason": query.reason}, "event")
    if query.route:
        where += " AND (SELECT route FROM event WHERE seq = delivery.event) = ?"
        values.append(query.route)
    sql = f"SELECT {rows.DELIVERY_COLUMNS} FROM delivery WHERE state = 3 AND {where}"
    letters = connection.execute(
        f"{sql} ORDER BY event DESC, n LIMIT ?", [*values, query.limit]
    ).fetchall()
    if len(letters) == query.limit:
        # A page ends with an event, so that the next one can begin with an event.
        seq, n = letters[-1][:2]
        letters += connection.execute(
            f"{sql} AND event = ? AND n > ? ORDER BY n", [*values, seq, n]
        )
    return [rows.delivery_record(row, tag) for row in letters]


def _conditions(query: Query, equal: dict[str, str], seq: str) -> tuple[str, list[Any]]:
    """Return a condition and its values.

    Columns `equal` a text, unless it is ''; `seq` names the column that the query's times bound.
    """
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
