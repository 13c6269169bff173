"""Into which lane of its target a delivery goes, where a target is divided into several.

The table `partitions` tells how the rows are divided. It is written after the last row was moved: what a crash
interrupts begins anew.
"""

from collections.abc import Sequence
from typing import Any

from relay.event import format_id, partition_of

MOVED = 1000  # deliveries that are moved together

_PENDING = (
    "SELECT d.event, d.n, key FROM delivery d JOIN event ON seq = d.event "
    "WHERE d.target = ? AND d.state IN (0, 1) AND (d.event, d.n) > (?, ?) ORDER BY d.event, d.n LIMIT ?"
)


def count(connection: Any, target: str) -> int:
    """Return into how many lanes a target's rows are divided."""
    found = connection.execute(
        "SELECT count FROM partitions WHERE target = ?", (target,)
    ).fetchone()
    return int(found[0]) if found else 1


def move(
    connection: Any, target: str, partitions: int, tag: int, beyond: Sequence[int]
) -> list[int]:
    """Move a target's pending deliveries after `beyond`, an (event, n); return the last one looked at, or []."""
    found = connection.execute(_PENDING, (target, *beyond, MOVED)).fetchall()
    connection.executemany(
        "UPDATE delivery SET partition = ? WHERE event = ? AND n = ?",
        [(partition_of(key, format_id(seq, tag), partitions), seq, n) for seq, n, key in found],
    )
    return list(found[-1][:2]) if found else []


def remember(connection: Any, target: str, partitions: int) -> None:
    """Write down how the rows are divided."""
    connection.execute("INSERT OR REPLACE INTO partitions VALUES (?, ?)", (target, partitions))
