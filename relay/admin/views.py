"""Records to the JSON that the admin API answers with; times are RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import Any

from relay.metrics.snapshot import TargetState
from relay.stores.records import DeliveryRecord, EventRecord


def moment(at: float | None) -> str | None:
    """Return a time as text."""
    return (
        None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    )


def event(record: EventRecord) -> dict[str, Any]:
    """Describe an event with the fate of all it owes, without its body."""
    event = record.event
    return {
        "id": event.id,
        "route": event.route,
        "sender": event.sender,
        "type": event.type,
        "key": event.key,
        "dedupe_id": event.dedupe_id,
        "received": moment(event.received_at),
        "bytes": len(event.raw),
        "quarantined": record.quarantined,
        "deliveries": [delivery(owed) for owed in record.deliveries],
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
                "attempt": failed.attempt,
                "at": moment(failed.at),
                "duration": round(failed.duration, 6),
                "status": failed.status,
                "reason": failed.reason,
                "detail": failed.detail,
            }
            for failed in record.tried
        ],
    }


def target(state: TargetState) -> dict[str, Any]:
    """Describe a target with its backlog and breaker."""
    return {
        "target": state.target,
        "pending": state.pending,
        "oldest_seconds": round(state.oldest, 3),
        "dead": sum(state.dead.values()),
        "breaker": state.breaker.name.lower(),
        "paused": state.paused,
    }
