"""Values to SQLite rows and back; the formats in which headers, query and what is owed are stored."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import SEQ_SHIFT, Delivery, DeliveryState, Event, Owed, format_id
from relay.stores.contract import Append, AttemptRecord, DeliveryRecord, EventRecord, Settle

EVENT_COLUMNS = "seq,received,route,sender,type,key,dedupe_id,quarantined,owed,query,headers,body"
DELIVERY_COLUMNS = "event,n,target,forward,state,attempts,since,due,token,settled,reason,status,detail,ordering,partition"
ATTEMPT_COLUMNS = "event,n,at,attempt,duration,status,reason,detail"
EVENT_WIDTH = EVENT_COLUMNS.count(",") + 1
DELIVERY_WIDTH = DELIVERY_COLUMNS.count(",") + 1
ATTEMPT_WIDTH = ATTEMPT_COLUMNS.count(",") + 1
INSERT_DELIVERIES = f"INSERT INTO delivery ({DELIVERY_COLUMNS})"
MOST = (1 << 63) - 1  # the largest number of a column
_DETAIL = 500  # characters of an error that are kept

Row = tuple[Any, ...]


def write_headers(headers: Mapping[str, str]) -> bytes:
    """Write headers a line each; HTTP keeps line feeds out of both names and values, and colons out of names."""
    return "\n".join(map(":".join, headers.items())).encode("utf-8", "surrogateescape")


def read_headers(stored: bytes) -> dict[str, str]:
    """Undo `write_headers`."""
    if not stored:
        return {}
    lines = stored.decode("utf-8", "surrogateescape").split("\n")
    pairs = (line.partition(":") for line in lines)
    return {name: value for name, _, value in pairs}


def text(given: str) -> str:
    """Return text that any database takes: half a surrogate pair is no character."""
    return given if given.isascii() else given.encode("utf-8", "replace").decode()


def seq_at(at: float) -> int:
    """Return the lowest sequence number of an event accepted at that time; a time far ahead is like any later one."""
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
    """Write what an event owes, a line each; names hold neither tabs nor line feeds."""
    return "\n".join(
        [
            f"{one.forward}\t{one.target}\t{one.partition}"
            if one.partition
            else f"{one.forward}\t{one.target}"
            for one in owed
        ]
    )


def read_owed(written: str) -> list[Owed]:
    """Return what an event owes, in its order; which of it is in order of keys stands in the deliveries' rows."""
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
    """Return what a delivery is in order with: its forward's other deliveries of events with the same key."""
    return f"{event.route}\t{owed.forward}\t{text(event.key)}" if owed.ordered else ""


def pending_row(event: Event, n: int, owed: Owed, since: float, *, parked: bool = False) -> Row:
    """Return the row of a delivery that waits in the store from the start; a parked one waits for another.

    Its budget counts from `since`.
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
    """Return what people are told of a row in the order of DELIVERY_COLUMNS."""
    seq, n, target, forward, state, attempts, _, due, _, settled, reason, status, detail, _, _ = row
    return DeliveryRecord(
        format_id(seq, tag), n, forward, target, DeliveryState(state), attempts, due, settled,
        DeliveryReason(reason).value if reason else "", status, detail, tried,
    )  # fmt: skip


def event_record(
    row: Row, tag: int, deliveries: Mapping[int, Row], tried: Mapping[int, list[AttemptRecord]]
) -> EventRecord:
    """Return what people are told of an event; what it owes without a row is in a lane's memory: pending."""
    event = read_event(row, tag)
    records = []
    for n, owed in enumerate(read_owed(row[8])):
        stored = deliveries.get(n) or pending_row(event, n, owed, event.received_at)
        records.append(delivery_record(stored, tag, tuple(tried.get(n, ()))))
    return EventRecord(event, bool(row[7]), tuple(records))
