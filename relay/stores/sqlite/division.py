"""How targets are divided into lanes, and the move of their deliveries into other ones.

The table `partitions` tells how many lanes the rows of a target are divided into. It is written
after the last row was moved: a move that a crash interrupts begins anew.
"""

from collections.abc import Sequence
from typing import Any

from relay.event import format_id, partition_of

MOVED = 1000  # deliveries that are moved together

_PENDING = (
    "SELECT d.event, d.n, key FROM delivery d JOIN event ON seq = d.event "
    "WHERE d.target = ? AND d.state IN (0, 1) AND (d.event, d.n) > (?, ?) "
    "ORDER BY d.event, d.n LIMIT ?"
)


def count(connection: Any, target: str) -> int:
    """Return into how many lanes a target's rows are divided."""
    row = connection.execute("SELECT count FROM partitions WHERE target = ?", (target,)).fetchone()
    return int(row[0]) if row else 1


def counts(connection: Any) -> dict[str, int]:
    """Return into how many lanes each target's rows are divided, of those with more than one."""
    return dict(connection.execute("SELECT target, count FROM partitions"))


def move(
    connection: Any, target: str, partitions: int, tag: int, beyond: Sequence[int]
) -> list[int]:
    """Move a target's next pending deliveries to their lanes, after `beyond`, an (event, n).

    Return the (event, n) of the last one, [] if none is left. `tag` is the store's.
    """
    deliveries = connection.execute(_PENDING, (target, *beyond, MOVED)).fetchall()
    connection.executemany(
        "UPDATE delivery SET partition = ? WHERE event = ? AND n = ?",
        [
            (partition_of(key, format_id(seq, tag), partitions), seq, n)
            for seq, n, key in deliveries
        ],
    )
    return list(deliveries[-1][:2]) if deliveries else []


def remember(connection: Any, target: str, partitions: int) -> None:
    """Write down into how many lanes a target's rows are divided."""
    connection.execute("INSERT OR REPLACE INTO partitions VALUES (?, ?)", (target, partitions))
