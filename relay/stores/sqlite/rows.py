"""Values to SQLite rows and back: the formats in which everything is stored."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from relay.clock import Steady, Wall
from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import SEQ_SHIFT, Delivery, DeliveryState, Event, Owed, format_id
from relay.stores.records import Append, AttemptRecord, DeliveryRecord, EventRecord, Settle

EVENT_COLUMNS = "seq,received,route,sender,type,key,dedupe_id,quarantined,owed,query,headers,body"
DELIVERY_COLUMNS = (
    "event,n,target,forward,state,attempts,since,due,token,settled,reason,status,detail,"
    "ordering,partition"
)
ATTEMPT_COLUMNS = "event,n,at,attempt,duration,status,reason,detail"
EVENT_WIDTH = EVENT_COLUMNS.count(",") + 1
DELIVERY_WIDTH = DELIVERY_COLUMNS.count(",") + 1
ATTEMPT_WIDTH = ATTEMPT_COLUMNS.count(",") + 1
INSERT_DELIVERIES = f"INSERT INTO delivery ({DELIVERY_COLUMNS})"
MOST = (1 << 63) - 1  # the largest number of a column
_DETAIL = 500  # characters of an error that are kept
_ROWS = 64  # rows of one statement at most; the driver keeps a statement for each number up to it

Row = tuple[Any, ...]


def insert_many(connection: Any, head: str, tail: str, width: int, values: Sequence[Any]) -> int:
    """Run `head VALUES (…),(…) tail` over rows that stand one after another in `values`.

    Each row has `width` values. Return how many rows that inserted or updated.
    """
    marks = "(" + ",".join("?" * width) + ")"
    changed = 0
    for start in range(0, len(values), _ROWS * width):
        part = values[start : start + _ROWS * width]
        sql = f"{head} VALUES {','.join([marks] * (len(part) // width))} {tail}"
        changed += connection.execute(sql, part).rowcount
    return changed


def write_headers(headers: Mapping[str, str]) -> bytes:
    """Write headers a line each, as `name:value`.

    HTTP keeps line feeds out of names and values, and colons out of names:
    https://www.rfc-editor.org/rfc/rfc9110.html#name-field-values
    """
    return "\n".join(map(":".join, headers.items())).encode("utf-8", "surrogateescape")


def read_headers(stored: bytes) -> dict[str, str]:
    """Undo `write_headers`."""
    if not stored:
        return {}
    lines = stored.decode("utf-8", "surrogateescape").split("\n")
    pairs = (line.partition(":") for line in lines)
    return {name: value for name, _, value in pairs}


def text(value: str) -> str:
    """Return text that any database takes: half a surrogate pair is no character."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def seq_at(at: Wall) -> int:
    """Return the lowest sequence number of an event accepted at a time, in seconds since the epoch.

    A time that is too far ahead for a number is like any later one.
    """
    return min(int(at * 1000) << SEQ_SHIFT, MOST)


def event_row(append: Append) -> Row:
    """Return the event's row, in the order of EVENT_COLUMNS."""
    event = append.event
    return (
        event.seq,
        event.received_at,
        event.route,
        event.sender,
        text(event.type),
        text(event.key),
        text(event.dedupe_id),
        append.quarantined,
        write_owed(append.owed),
        urlencode(event.query, errors="surrogateescape") if event.query else "",
        write_headers(event.headers),
        event.raw,
    )


def write_owed(owed: Sequence[Owed]) -> str:
    """Write an event's owed deliveries, a line each; names hold neither tabs nor line feeds."""
    return "\n".join(
        [
            f"{delivery.forward}\t{delivery.target}\t{delivery.partition}"
            if delivery.partition
            else f"{delivery.forward}\t{delivery.target}"
            for delivery in owed
        ]
    )


def read_owed(written: str) -> list[Owed]:
    """Return an event's owed deliveries, in the order of its forwards.

    Whether a delivery is ordered stands in its row alone: ordered ones always have a row.
    """
    parts = (line.split("\t") for line in written.split("\n") if line)
    return [
        Owed(part[0], part[1], partition=int(part[2]) if len(part) > 2 else 0) for part in parts
    ]


def read_event(row: Row, tag: int) -> Event:
    """Return the event of a row in the order of EVENT_COLUMNS."""
    return Event(
        seq=row[0],
        id=format_id(row[0], tag),
        route=row[2],
        sender=row[3],
        type=row[4],
        key=row[5],
        dedupe_id=row[6],
        received_at=row[1],
        headers=read_headers(row[10]),
        query=dict(parse_qsl(row[9], keep_blank_values=True, errors="surrogateescape")),
        raw=row[11],
    )


def ordering(event: Event, owed: Owed) -> str:
    """Return the name that a delivery shares with all that it is in order with; '' if with none.

    Those are its forward's other deliveries of events with the same key.
    """
    return f"{event.route}\t{owed.forward}\t{text(event.key)}" if owed.ordered else ""


def accepted_at(event: Event) -> Steady:
    """Return when an event was accepted, by the steady clock.

    Only the wall clock's time is stored. The steady clock starts from it with each process, so that
    they differ by as much as the wall clock was set since.
    """
    return Steady(event.received_at)


def pending_row(event: Event, n: int, owed: Owed, since: Steady, *, parked: bool = False) -> Row:
    """Return the row of a delivery that waits in the store from the start.

    Its values are in the order of DELIVERY_COLUMNS. It is due at `since`, from when its budget
    counts; if it is `parked`, once another has ended.
    """
    return (
        event.seq, n, owed.target, owed.forward, DeliveryState.PENDING.value, 0, since,
        None if parked else since, None, None, "", 0, "", ordering(event, owed), owed.partition,
    )  # fmt: skip


def settled_row(settle: Settle) -> Row:
    """Return the delivery's row as it stands after settling, in the order of DELIVERY_COLUMNS."""
    delivery, settlement, attempt = settle.delivery, settle.settlement, settle.attempt
    pending = settlement.state is DeliveryState.PENDING
    return (
        delivery.event.seq,
        delivery.n,
        delivery.target,
        delivery.forward,
        settlement.state.value,
        settlement.attempts,
        delivery.since,
        settlement.due if pending else None,
        delivery.token,
        None if pending else settle.at,
        settlement.reason.value if settlement.reason else "",
        attempt.status if attempt else 0,
        text(attempt.detail[:_DETAIL]) if attempt else "",
        delivery.ordering,
        delivery.partition,
    )


def attempt_row(settle: Settle, attempt: Attempt) -> Row:
    """Return the row of a failed attempt, in the order of ATTEMPT_COLUMNS."""
    reason = settle.settlement.reason
    return (
        settle.delivery.event.seq,
        settle.delivery.n,
        attempt.at,
        settle.settlement.attempts,
        attempt.duration,
        attempt.status,
        reason.value if reason else "",
        text(attempt.detail[:_DETAIL]),
    )


def read_delivery(row: Row, event: Event, token: int) -> Delivery:
    """Return a claimed delivery from (n, forward, target, attempts, since, ordering, partition)."""
    n, forward, target, attempts, since, order, partition = row
    return Delivery(event, n, forward, target, attempts, since, token, order, partition)


def delivery_record(row: Row, tag: int, tried: tuple[AttemptRecord, ...] = ()) -> DeliveryRecord:
    """Return the record of a delivery from its row in the order of DELIVERY_COLUMNS."""
    seq, n, target, forward, state, attempts, _, due, _, settled, reason, status, detail, _, _ = row
    return DeliveryRecord(
        format_id(seq, tag), n, forward, target, DeliveryState(state), attempts, due, settled,
        DeliveryReason(reason).value if reason else "", status, detail, tried,
    )  # fmt: skip


def event_record(
    row: Row, tag: int, deliveries: Mapping[int, Row], tried: Mapping[int, list[AttemptRecord]]
) -> EventRecord:
    """Return the record of an event from its row in the order of EVENT_COLUMNS.

    A delivery without a row is in a lane's memory: pending.
    """
    event = read_event(row, tag)
    records = []
    for n, owed in enumerate(read_owed(row[8])):
        stored = deliveries.get(n) or pending_row(event, n, owed, accepted_at(event))
        records.append(delivery_record(stored, tag, tuple(tried.get(n, ()))))
    return EventRecord(event, bool(row[7]), tuple(records))
