"""Records to the JSON that the admin API answers with; times are RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import Any

from relay.stores.contract import DeliveryRecord, EventRecord


def moment(at: float | None) -> str | None:
    """Return a time as text."""
    return (
        None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    )


def event(record: EventRecord) -> dict[str, Any]:
    """Describe an event with the fate of all it owes, without its body."""
    told = record.event
    return {
        "id": told.id,
        "route": told.route,
        "sender": told.sender,
        "type": told.type,
        "key": told.key,
        "dedupe_id": told.dedupe_id,
        "received": moment(told.received_at),
        "bytes": len(told.raw),
        "quarantined": record.quarantined,
        "deliveries": [delivery(one) for one in record.deliveries],
    }


def delivery(record: DeliveryRecord) -> dict[str, Any]:
    """Describe a delivery with its failed attempts."""
    return {
        "event": record.event_id,
        "n": record.n,
        "forward": record.forward,
        "target": record.target,
        "state": record.state.word,
        "attempts": record.attempts,
        "due": moment(record.due),
        "settled": moment(record.settled_at),
        "reason": record.reason,
        "status": record.status,
        "detail": record.detail,
        "failed": [
            {
                "attempt": one.attempt,
                "at": moment(one.at),
                "duration": round(one.duration, 6),
                "status": one.status,
                "reason": one.reason,
                "detail": one.detail,
            }
            for one in record.tried
        ],
    }
