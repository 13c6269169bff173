"""The rows of a batch, prepared in the loop and written in the writer's thread.

Prepared rows save the thread most of its Python, which would hold the interpreter's lock up;
`tests/unit/stores/sqlite/test_costs.py` holds that a batch costs few statements.
"""

from typing import Any

from relay.clock import Steady, steady
from relay.event import DeliveryState, Event, Owed, format_id
from relay.stores.records import Append
from relay.stores.sqlite import ordered, rows
from relay.stores.sqlite.batch import AppendOperation, Batch
from relay.stores.sqlite.rows import insert_many

_LOOKUPS = 64  # ids that one statement looks up at most
_DEDUPE_WIDTH = 4
_PROBE = 65536  # bytes; more than is free inside a full file
_EVENTS = f"INSERT INTO event ({rows.EVENT_COLUMNS})"
_ATTEMPTS = f"INSERT OR REPLACE INTO attempt ({rows.ATTEMPT_COLUMNS})"
# A settle inserts the row of a delivery held in memory, or updates the row that its owner has
# claimed. A stale owner's token differs from the row's, and nothing happens.
_SETTLED = """
ON CONFLICT (event, n) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
due = excluded.due, token = NULL, settled = excluded.settled, reason = excluded.reason,
status = excluded.status, detail = excluded.detail
WHERE delivery.state = 1 AND delivery.token = excluded.token
"""


class Plan:
    """The values of a batch's rows, one row after another, table by table.

    `tag` is the store's. `mark` is the new low-water mark (0: it stays). A plan that `probes`
    writes and deletes a little, to find out whether there is room again. `ended` is how many
    deliveries have ended by it; 0 until it is written.
    """

    __slots__ = (
        "_appends",
        "_attempts",
        "_deduplicated",
        "_ended",
        "_ended_orderings",
        "_events",
        "_mark",
        "_ordered",
        "_paused",
        "_probes",
        "_retried",
        "_tag",
        "_waiting",
        "ended",
    )

    def __init__(self, batch: Batch, tag: int, mark: int, *, probes: bool) -> None:
        self.ended = 0
        self._tag = tag
        self._mark = mark
        self._probes = probes
        self._appends = batch.appends
        self._deduplicated = [o for o in batch.appends if o.append.dedupe]
        self._events: list[Any] = []
        self._waiting: list[Any] = []
        self._ordered: list[tuple[Event, int, Owed, Steady]] = []
        # By target and ordering: when the last of its deliveries ended.
        self._ended_orderings: dict[tuple[str, str], Steady] = {}
        self._paused: list[tuple[str, Steady]] = []
        self._ended: list[Any] = []
        self._retried: list[Any] = []
        self._attempts: list[Any] = []
        for operation in batch.appends:
            self._add_event(operation)
        for settle in batch.settles:
            pending = settle.settlement.state is DeliveryState.PENDING
            outcomes = self._retried if pending else self._ended
            outcomes += rows.settled_row(settle)
            if settle.settlement.reason is not None and settle.attempt is not None:
                self._attempts += rows.attempt_row(settle, settle.attempt)
            if settle.settlement.pause:
                self._paused.append((settle.delivery.target, settle.at))
            if settle.delivery.ordering and not pending:
                self._ended_orderings[settle.delivery.target, settle.delivery.ordering] = settle.at

    def _add_event(self, operation: AppendOperation) -> None:
        """Add an event, and a row for each of its deliveries that is not held in memory."""
        append = operation.append
        self._events += operation.row
        if not all(append.held):
            for n, (owed, held) in enumerate(zip(append.owed, append.held, strict=True)):
                if owed.ordered:
                    self._ordered.append((append.event, n, owed, append.since))
                elif not held:
                    self._waiting += rows.pending_row(append.event, n, owed, append.since)

    def write(self, connection: Any) -> None:
        """Write everything, inside the transaction, and mark the appends that are duplicates."""
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
        if self._deduplicated and self._mark_duplicates(connection):
            self._events.clear()
            self._waiting.clear()
            self._ordered.clear()
            for operation in self._appends:
                if not operation.duplicate_of:
                    self._add_event(operation)
        insert_many(connection, _EVENTS, "", rows.EVENT_WIDTH, self._events)
        if self._ordered:
            self._waiting += ordered.new_rows(connection, self._ordered)
        insert_many(connection, rows.INSERT_DELIVERIES, "", rows.DELIVERY_WIDTH, self._waiting)
        self._write_outcomes(connection)
        for target, at in self._paused:
            pause(connection, target, at)
        if self._ended_orderings:
            ordered.let_next_go(connection, self._ended_orderings)

    def _write_outcomes(self, connection: Any) -> None:
        """Write the outcomes of the settles.

        Ends apart from retries: the number of rows that changed tells how many settles counted,
        without looking at each. One statement more, in a batch that has both.
        """
        width = rows.DELIVERY_WIDTH
        insert = rows.INSERT_DELIVERIES
        self.ended = insert_many(connection, insert, _SETTLED, width, self._ended)
        insert_many(connection, insert, _SETTLED, width, self._retried)
        insert_many(connection, _ATTEMPTS, "", rows.ATTEMPT_WIDTH, self._attempts)

    def _mark_duplicates(self, connection: Any) -> bool:
        """Mark duplicates, remember the ids of the others; tell whether there is a duplicate."""
        now = steady()
        known: dict[tuple[str, str], tuple[str, bytes]] = {}
        operations = self._deduplicated
        keys = [_dedupe_key(operation.append) for operation in operations]
        for start in range(0, len(keys), _LOOKUPS):
            part = keys[start : start + _LOOKUPS]
            marks = ",".join(["(?,?)"] * len(part))
            seen = connection.execute(
                "SELECT id, scope, event, until, (SELECT body FROM event WHERE seq = dedupe.event) "
                f"FROM dedupe WHERE (id, scope) IN (VALUES {marks})",
                [value for key in part for value in key],
            )
            for dedupe_id, scope, seq, until, body in seen:
                if until > now:
                    known[dedupe_id, scope] = format_id(seq, self._tag), body
        remembered: list[Any] = []
        for operation, key in zip(operations, keys, strict=True):
            event = operation.append.event
            if (first := known.get(key)) is not None:
                operation.duplicate_of, body = first
                operation.conflicts = body != event.raw
            else:
                known[key] = event.id, event.raw
                until = operation.append.since + operation.append.dedupe
                remembered += (*key, event.seq, until)
        insert_many(connection, "INSERT OR REPLACE INTO dedupe", "", _DEDUPE_WIDTH, remembered)
        return any(operation.duplicate_of for operation in operations)


def pause(connection: Any, target: str, at: Steady) -> None:
    """Remember that a target is paused since `at`, unless it is already."""
    connection.execute("INSERT INTO paused VALUES (?, ?) ON CONFLICT DO NOTHING", (target, at))


def _dedupe_key(append: Append) -> tuple[str, str]:
    return rows.text(append.event.dedupe_id), f"{append.event.route}/{append.event.sender}"
