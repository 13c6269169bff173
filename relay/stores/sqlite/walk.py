"""Accepted events in the order of acceptance, a page at a time.

What a page costs is bounded, however many events there are, however large, and of however many other routes.
"""

from typing import Any

from relay.stores.contract import Query, Walked
from relay.stores.sqlite import rows

_LOOKUPS = 64  # events that one statement fetches at most


def walk(connection: Any, tag: int, query: Query, beyond: int, size: int) -> Walked:
    """Return accepted events after `beyond`, looking at `query.limit` at most and stopping at `size` bytes of bodies."""
    first = max(beyond, rows.seq_at(query.since) - 1)
    end = rows.seq_at(query.until) if query.until else rows.MOST
    # A body stands at the end of its row: its length is known without reading it.
    looked = connection.execute(
        "SELECT seq, route, type, quarantined, length(body) FROM event WHERE seq > ? AND seq < ? "
        "ORDER BY seq LIMIT ?",
        (first, end, query.limit),
    ).fetchall()
    found: list[int] = []
    more = len(looked) == query.limit
    for seq, route, kind, quarantined, length in looked:
        if (
            quarantined
            or (query.route and route != query.route)
            or (query.type and kind != query.type)
        ):
            beyond = seq
            continue
        if found and size < length:
            more = True
            break
        found.append(seq)
        size -= length
        beyond = seq
    events = []
    for start in range(0, len(found), _LOOKUPS):
        part = found[start : start + _LOOKUPS]
        marks = ",".join("?" * len(part))
        stored = connection.execute(
            f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE seq IN ({marks}) ORDER BY seq", part
        )
        events += [rows.read_event(row, tag) for row in stored]
    return Walked(events, beyond if more else 0)
