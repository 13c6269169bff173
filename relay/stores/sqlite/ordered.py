"""Deliveries in order: of each target and ordering one goes at a time, the others are parked.

The transaction that writes a delivery decides whether it goes or is parked, so that no crash can
leave two of an ordering going, or none. A delivery that goes has a due time, a parked one has none.
One that waits for its retry holds up those of its own ordering alone; once it is dead, the next one
goes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.clock import Steady
from relay.event import Event, Owed, format_id, partition_of
from relay.stores.sqlite import division, rows

# Deliveries of one ordering that have not ended, by the partial index delivery_ordered.
_OPEN = "target = ? AND ordering = ? AND ordering != '' AND state IN (0, 1)"
_GOING = f"SELECT 1 FROM delivery WHERE {_OPEN} AND due IS NOT NULL LIMIT 1"
_FIRST_PARKED = f"SELECT event, n FROM delivery WHERE {_OPEN} ORDER BY event, n LIMIT 1"


def new_rows(connection: Any, deliveries: Sequence[tuple[Event, int, Owed, Steady]]) -> list[Any]:
    """Return the rows of new ordered deliveries: the first of an ordering goes unless another does.

    Each is given in the order of acceptance as its event, its place `n`, the delivery that is owed,
    and from when its budget counts, by the steady clock.
    """
    goes: dict[tuple[str, str], bool] = {}
    values: list[Any] = []
    for event, n, delivery, since in deliveries:
        key = delivery.target, rows.ordering(event, delivery)
        if key not in goes:
            goes[key] = connection.execute(_GOING, key).fetchone() is not None
        values += rows.pending_row(event, n, delivery, since, parked=goes[key])
        goes[key] = True
    return values


def let_next_go(connection: Any, ended: Mapping[tuple[str, str], Steady]) -> None:
    """Let the first parked delivery of each (target, ordering) go, unless another goes.

    It is due when the one before it ended, by the steady clock.
    """
    for key, at in ended.items():
        if connection.execute(_GOING, key).fetchone() is None:
            connection.execute(
                f"UPDATE delivery SET due = ? WHERE (event, n) = ({_FIRST_PARKED})", (at, *key)
            )


def replay(connection: Any, seq: int, n: int, now: Steady, tag: int) -> bool:
    """Make an ended delivery pending again, in its old place of the order.

    Tell whether it had ended. It is due at `now` by the steady clock, or parked if another of its
    ordering goes.
    """
    delivery = connection.execute(
        "SELECT target, ordering, key FROM delivery JOIN event ON seq = event "
        "WHERE event = ? AND n = ? AND state IN (2, 3, 4)",
        (seq, n),
    ).fetchone()
    if delivery is None:
        return False
    target, ordering, key = delivery
    parked = (
        bool(ordering) and connection.execute(_GOING, (target, ordering)).fetchone() is not None
    )
    lane = partition_of(key, format_id(seq, tag), division.count(connection, target))
    connection.execute(
        "UPDATE delivery SET state = 0, due = ?, since = ?, attempts = 0, token = NULL, "
        "settled = NULL, reason = '', status = 0, detail = '', partition = ? "
        "WHERE event = ? AND n = ?",
        (None if parked else now, now, lane, seq, n),
    )
    return True
