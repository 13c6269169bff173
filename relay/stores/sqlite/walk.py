"""Accepted events in the order of acceptance, a page at a time.

The cost of a page is bounded, however many events there are, however large, and of however many
other routes.
"""

from typing import Any

from relay.stores.records import Query, Walked
from relay.stores.sqlite import rows

_LOOKUPS = 64  # events that one statement fetches at most


def walk(connection: Any, tag: int, query: Query, beyond: int, size: int) -> Walked:
    """Return accepted events after the `seq` `beyond`; `tag` is the store's.

    Looks at `query.limit` events at most, and stops before their bodies have more than `size`
    bytes.
    """
    first = max(beyond, rows.seq_at(query.since) - 1)
    end = rows.seq_at(query.until) if query.until else rows.MOST
    # A body stands at the end of its row: its length is known without reading it.
    candidates = connection.execute(
        "SELECT seq, route, type, quarantined, length(body) FROM event WHERE seq > ? AND seq < ? "
        "ORDER BY seq LIMIT ?",
        (first, end, query.limit),
    ).fetchall()
    chosen: list[int] = []
    more = len(candidates) == query.limit
    for seq, route, kind, quarantined, length in candidates:
        if (
            quarantined
            or (query.route and route != query.route)
            or (query.type and kind != query.type)
        ):
            beyond = seq
            continue
        if chosen and size < length:
            more = True
            break
        chosen.append(seq)
        size -= length
        beyond = seq
    events = []
    for start in range(0, len(chosen), _LOOKUPS):
        part = chosen[start : start + _LOOKUPS]
        marks = ",".join("?" * len(part))
        stored = connection.execute(
            f"SELECT {rows.EVENT_COLUMNS} FROM event WHERE seq IN ({marks}) ORDER BY seq", part
        )
        events += [rows.read_event(row, tag) for row in stored]
    return Walked(events, beyond if more else 0)
