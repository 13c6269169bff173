"""Deletes events past their retention that nothing needs any more, a few at a time.

An event stays while a delivery of it is pending, while a dead letter of it is younger than `dead`,
and while its id still counts as seen.
"""

from collections.abc import Collection, Sequence
from typing import Any

from relay.clock import Steady
from relay.event import SEQ_SHIFT
from relay.stores.records import Retention

_FREED = 256  # pages given back to the file system at a time


def candidates(
    connection: Any, retention: Retention, now: Steady, beyond: int, limit: int
) -> tuple[list[int], int]:
    """Return events after the `seq` `beyond` that may go, and the `seq` to look on after, or 0.

    Looks at `limit` events at most, the oldest first. Their age is counted up to `now`, by the
    steady clock, from when they were accepted, by the wall clock; that of a dead letter from its
    end.
    """
    newest = int(max(now - retention.shortest, 0.0) * 1000) << SEQ_SHIFT
    events = connection.execute(
        "SELECT seq, received, route, sender, dedupe_id FROM event "
        "WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?",
        (beyond, newest, limit),
    ).fetchall()
    old = [
        seq
        for seq, received, route, sender, dedupe_id in events
        if received < now - retention.of(route)
        and not (dedupe_id and _remembered(connection, f"{route}/{sender}", dedupe_id, seq, now))
    ]
    needed = _needed(connection, old, retention.dead, now)
    return [seq for seq in old if seq not in needed], events[-1][0] if len(events) == limit else 0


def delete(connection: Any, seqs: Sequence[int]) -> int:
    """Delete events from all tables, but for those with a pending delivery; return how many.

    A delivery may have been replayed since its event was chosen.
    """
    marks = ",".join("?" * len(seqs))
    sql = f"SELECT event FROM delivery WHERE event IN ({marks}) AND state IN (0, 1)"
    pending = {seq for (seq,) in connection.execute(sql, seqs)}
    seqs = [seq for seq in seqs if seq not in pending]
    marks = ",".join("?" * len(seqs))
    # An event outlives its id's time (see `candidates`): the id goes with it.
    connection.execute(
        "DELETE FROM dedupe WHERE (id, scope) IN (SELECT dedupe_id, route || '/' || sender "
        f"FROM event WHERE seq IN ({marks})) AND event IN ({marks})",
        [*seqs, *seqs],
    )
    deleted: int = connection.execute(f"DELETE FROM event WHERE seq IN ({marks})", seqs).rowcount
    for table in ("delivery", "attempt"):
        connection.execute(f"DELETE FROM {table} WHERE event IN ({marks})", seqs)
    return deleted


def give_space_back(connection: Any) -> bool:
    """Give some of the free pages back to the file system; tell whether there are more."""
    connection.execute(f"PRAGMA incremental_vacuum({_FREED})").fetchall()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return bool(free)


def _remembered(connection: Any, scope: str, dedupe_id: str, seq: int, now: Steady) -> bool:
    row = connection.execute(
        "SELECT 1 FROM dedupe WHERE id = ? AND scope = ? AND event = ? AND until > ?",
        (dedupe_id, scope, seq, now),
    ).fetchone()
    return row is not None


def _needed(connection: Any, seqs: Sequence[int], dead: float, now: Steady) -> Collection[int]:
    needed = connection.execute(
        f"SELECT DISTINCT event FROM delivery WHERE event IN ({','.join('?' * len(seqs))}) "
        "AND (state IN (0, 1) OR (state = 3 AND settled > ?))",
        [*seqs, now - dead],
    )
    return {seq for (seq,) in needed}
