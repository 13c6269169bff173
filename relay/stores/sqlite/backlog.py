"""What waits in the store, and what is dead, by target: found and counted by the partial indexes, no row is read.

Only for `state = 0` and `state = 1` SQLite sees that an index alone can tell: for `state IN (0, 1)` it looks each row
up, which takes ten times as long.
"""

from collections.abc import Mapping
from typing import Any

# One seek in the index for each target, however much waits for it: https://sqlite.org/lang_with.html
_WAITING = """
WITH RECURSIVE waiting(target) AS (
    SELECT min(target) FROM delivery WHERE state IN (0, 1)
    UNION ALL
    SELECT (SELECT min(d.target) FROM delivery d WHERE d.state IN (0, 1) AND d.target > waiting.target)
    FROM waiting WHERE waiting.target IS NOT NULL
)
"""
_TARGETS = f"{_WAITING} SELECT target FROM waiting WHERE target IS NOT NULL"
_PENDING = "SELECT (SELECT count(*) FROM delivery WHERE state = 0) + (SELECT count(*) FROM delivery WHERE state = 1)"
_BY_TARGET = f"""
{_WAITING}, claimed(target, count) AS MATERIALIZED (
    SELECT target, count(*) FROM delivery WHERE state = 1 GROUP BY target
)
SELECT target,
    (SELECT count(*) FROM delivery d WHERE d.target = waiting.target AND d.state = 0)
        + coalesce((SELECT count FROM claimed WHERE claimed.target = waiting.target), 0),
    (SELECT min(d.event) FROM delivery d WHERE d.target = waiting.target AND d.state IN (0, 1))
FROM waiting WHERE target IS NOT NULL
"""
_DEAD = "SELECT target, reason, count(*) FROM delivery WHERE state = 3 GROUP BY target, reason"
# Likewise a seek for each of the target's partitions, by the index in which their deliveries stand by due time.
_HASTEN = """
WITH RECURSIVE lane(partition) AS (
    SELECT min(partition) FROM delivery WHERE target = ?1 AND state = 0
    UNION ALL
    SELECT (
        SELECT min(d.partition) FROM delivery d
        WHERE d.target = ?1 AND d.state = 0 AND d.partition > lane.partition
    ) FROM lane WHERE lane.partition IS NOT NULL
)
UPDATE delivery SET due = ?2 WHERE (event, n) IN (
    SELECT d.event, d.n FROM lane CROSS JOIN delivery d
    WHERE d.target = ?1 AND d.state = 0 AND d.partition = lane.partition AND d.due > ?3
)
"""


def targets(connection: Any) -> list[str]:
    """Return the targets for which something waits."""
    return [target for (target,) in connection.execute(_TARGETS)]


def pending(connection: Any) -> int:
    """Return how many deliveries have not ended."""
    (count,) = connection.execute(_PENDING).fetchone()
    return int(count)


def by_target(connection: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many deliveries wait for each target, and the sequence number of the oldest one's event."""
    found = connection.execute(_BY_TARGET).fetchall()
    return {target: count for target, count, _ in found}, {target: seq for target, _, seq in found}


def dead(connection: Any) -> dict[tuple[str, str], int]:
    """Return how many dead letters there are of each target and reason."""
    return {(target, reason): count for target, reason, count in connection.execute(_DEAD)}


def hasten(connection: Any, latest: Mapping[str, float], now: float) -> int:
    """Make due `now` what is due after its target's `latest`; return how many deliveries that are."""
    return int(
        connection.executemany(
            _HASTEN, [(target, now, due) for target, due in latest.items()]
        ).rowcount
    )
