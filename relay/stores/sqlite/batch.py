"""A batch's rows: prepared in the loop, written in the writer's thread, which so needs little of the interpreter."""

from typing import Any

from relay.clock import steady
from relay.event import DeliveryState, Event, Owed, format_id
from relay.stores.contract import Append
from relay.stores.sqlite import ordered, rows
from relay.stores.sqlite.writer import AppendOperation, Batch, insert_many

_LOOKUPS = 64  # ids that one statement looks up at most
_DEDUPE_WIDTH = 4
_PROBE = 65536  # bytes; more than what is free inside a full file
_EVENTS = f"INSERT INTO event ({rows.EVENT_COLUMNS})"
_ATTEMPTS = f"INSERT OR REPLACE INTO attempt ({rows.ATTEMPT_COLUMNS})"
# A settle inserts the row of a delivery held in memory, or updates the one its owner has claimed: a stale
# owner's token matches no longer, and nothing happens.
_SETTLED = """
ON CONFLICT (event, n) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, due = excluded.due,
token = NULL, settled = excluded.settled, reason = excluded.reason, status = excluded.status,
detail = excluded.detail WHERE delivery.state = 1 AND delivery.token = excluded.token
"""


class Plan:
    """The values of a batch's rows, one row after another.

    `mark` is the new low-water mark (0: stays); a batch without any work `probes` whether there is room again.
    """

    __slots__ = (
        "_appends",
        "_attempts",
        "_deduplicated",
        "_events",
        "_mark",
        "_ordered",
        "_paused",
        "_probes",
        "_released",
        "_settled",
        "_waiting",
    )

    def __init__(self, batch: Batch, mark: int, *, probes: bool) -> None:
        self._mark = mark
        self._probes = probes
        self._appends = batch.appends
        self._deduplicated = [o for o in batch.appends if o.append.dedupe_until]
        self._events: list[Any] = []
        self._waiting: list[Any] = []
        self._ordered: list[tuple[Event, int, Owed, float]] = []
        self._released: dict[tuple[str, str], float] = {}  # (target, ordering): when one ended
        self._paused: list[tuple[str, float]] = []
        self._settled: list[Any] = []
        self._attempts: list[Any] = []
        for operation in batch.appends:
            self._add(operation)
        for settle in batch.settles:
            self._settled += rows.settled_row(settle)
            if settle.settlement.reason is not None and settle.attempt is not None:
                self._attempts += rows.attempt_row(settle, settle.attempt)
            if settle.settlement.pause:
                self._paused.append((settle.delivery.target, settle.at))
            if settle.delivery.ordering and settle.settlement.state is not DeliveryState.PENDING:
                self._released[settle.delivery.target, settle.delivery.ordering] = settle.at

    def _add(self, operation: AppendOperation) -> None:
        """Add an event, and a row for each of its deliveries that is not held in memory."""
        append = operation.append
        self._events += operation.row
        if not all(append.held):
            for n, (owed, held) in enumerate(zip(append.owed, append.held, strict=True)):
                if owed.ordered:
                    self._ordered.append((append.event, n, owed, append.since))
                elif not held:
                    self._waiting += rows.pending_row(append.event, n, owed, append.since)

    def write(self, connection: Any, tag: int) -> None:
        """Write everything, inside the transaction; mark the appends that turn out to be duplicates."""
        if self._probes:
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(?))", (_PROBE,)
            )
            connection.execute("DELETE FROM meta WHERE key = 'probe'")
        if self._mark:
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'mark' AND value < ?",
                (self._mark, self._mark),
            )
        if self._deduplicated and self._find_duplicates(connection, tag):
            self._events.clear()
            self._waiting.clear()
            self._ordered.clear()
            for operation in self._appends:
                if not operation.duplicate_of:
                    self._add(operation)
        insert_many(connection, _EVENTS, "", rows.EVENT_WIDTH, self._events)
        if self._ordered:
            self._waiting += ordered.in_line(connection, self._ordered)
        insert_many(connection, rows.INSERT_DELIVERIES, "", rows.DELIVERY_WIDTH, self._waiting)
        insert_many(
            connection, rows.INSERT_DELIVERIES, _SETTLED, rows.DELIVERY_WIDTH, self._settled
        )
        insert_many(connection, _ATTEMPTS, "", rows.ATTEMPT_WIDTH, self._attempts)
        for target, at in self._paused:
            pause(connection, target, at)
        if self._released:
            ordered.release(connection, self._released)

    def _find_duplicates(self, connection: Any, tag: int) -> bool:
        """Mark the duplicates, remember the ids of the others; tell whether there are duplicates."""
        now = steady()
        known: dict[tuple[str, str], tuple[str, bytes]] = {}
        asked = self._deduplicated
        keys = [_dedupe_key(operation.append) for operation in asked]
        for start in range(0, len(keys), _LOOKUPS):
            part = keys[start : start + _LOOKUPS]
            marks = ",".join(["(?,?)"] * len(part))
            found = connection.execute(
                "SELECT id, scope, event, until, (SELECT body FROM event WHERE seq = dedupe.event) FROM dedupe "
                f"WHERE (id, scope) IN (VALUES {marks})",
                [value for key in part for value in key],
            )
            for dedupe_id, scope, seq, until, body in found:
                if until > now:
                    known[dedupe_id, scope] = format_id(seq, tag), body
        remembered: list[Any] = []
        for operation, key in zip(asked, keys, strict=True):
            event = operation.append.event
            if (first := known.get(key)) is not None:
                operation.duplicate_of, body = first
                operation.conflicts = body != event.raw
            else:
                operation.duplicate_of = ""
                known[key] = event.id, event.raw
                remembered += (*key, event.seq, operation.append.dedupe_until)
        insert_many(connection, "INSERT OR REPLACE INTO dedupe", "", _DEDUPE_WIDTH, remembered)
        return any(operation.duplicate_of for operation in asked)


def pause(connection: Any, target: str, at: float) -> None:
    """Remember that a target is paused, and since when."""
    connection.execute("INSERT INTO paused VALUES (?, ?) ON CONFLICT DO NOTHING", (target, at))


def _dedupe_key(append: Append) -> tuple[str, str]:
    return rows.text(append.event.dedupe_id), f"{append.event.route}/{append.event.sender}"
