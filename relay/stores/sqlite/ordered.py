"""Deliveries in order: of each target and ordering at most one may go, the others are parked until it has ended.

Who goes and who is parked is decided in the transaction that writes it, so that no crash can leave two going,
or none. A head that waits for its retry holds up those of its own ordering alone; once it is dead, they go on.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.event import Event, Owed, format_id, partition_of
from relay.stores.sqlite import division as partitions
from relay.stores.sqlite import rows

# Of one ordering: those that have not ended, by the partial index delivery_ordered.
_OPEN = "target = ? AND ordering = ? AND ordering != '' AND state IN (0, 1)"
_ONE_GOES = f"SELECT 1 FROM delivery WHERE {_OPEN} AND due IS NOT NULL LIMIT 1"
_FIRST_PARKED = f"SELECT event, n FROM delivery WHERE {_OPEN} ORDER BY event, n LIMIT 1"


def in_line(connection: Any, owed: Sequence[tuple[Event, int, Owed, float]]) -> list[Any]:
    """Return the rows of new ordered deliveries, in the order of acceptance: parked if another goes before.

    Of each: its event, number, what is owed, and since when its budget counts.
    """
    goes: dict[tuple[str, str], bool] = {}
    values: list[Any] = []
    for event, n, one, since in owed:
        key = one.target, rows.ordering(event, one)
        if key not in goes:
            goes[key] = connection.execute(_ONE_GOES, key).fetchone() is not None
        values += rows.pending_row(event, n, one, since, parked=goes[key])
        goes[key] = True
    return values


def release(connection: Any, ended: Mapping[tuple[str, str], float]) -> None:
    """Let the next of each (target, ordering) go, due when the one before ended, unless one goes already."""
    for key, at in ended.items():
        if connection.execute(_ONE_GOES, key).fetchone() is None:
            connection.execute(
                f"UPDATE delivery SET due = ? WHERE (event, n) = ({_FIRST_PARKED})", (at, *key)
            )


def replay(connection: Any, seq: int, n: int, now: float, tag: int) -> bool:
    """Make an ended delivery pending again, in its old place of the order; tell whether it had ended."""
    found = connection.execute(
        "SELECT target, ordering, key FROM delivery JOIN event ON seq = event "
        "WHERE event = ? AND n = ? AND state IN (2, 3, 4)",
        (seq, n),
    ).fetchone()
    if found is None:
        return False
    target, ordering, key = found
    parked = (
        bool(ordering) and connection.execute(_ONE_GOES, (target, ordering)).fetchone() is not None
    )
    lane = partition_of(key, format_id(seq, tag), partitions.count(connection, target))
    connection.execute(
        "UPDATE delivery SET state = 0, due = ?, since = ?, attempts = 0, token = NULL, settled = NULL, "
        "reason = '', status = 0, detail = '', partition = ? WHERE event = ? AND n = ?",
        (None if parked else now, now, lane, seq, n),
    )
    return True
