"""Pending deliveries and dead letters by target, counted by the partial indexes alone.

So the gauges of a store with a million pending deliveries cost little;
`tests/unit/stores/sqlite/test_costs.py` holds that. SQLite sees that an index alone is enough
for `state = 0` and for `state = 1`; for `state IN (0, 1)` it looks each row up, which takes ten
times as long.
"""

from collections.abc import Mapping
from typing import Any

from relay.clock import Steady

# One seek in the index for each target, however much waits for it:
# https://sqlite.org/lang_with.html
_WAITING = """
WITH RECURSIVE waiting(target) AS (
    SELECT min(target) FROM delivery WHERE state IN (0, 1)
    UNION ALL
    SELECT (
        SELECT min(d.target) FROM delivery d WHERE d.state IN (0, 1) AND d.target > waiting.target
    ) FROM waiting WHERE waiting.target IS NOT NULL
)
"""
TARGETS = f"{_WAITING} SELECT target FROM waiting WHERE target IS NOT NULL"
PENDING = """
SELECT (SELECT count(*) FROM delivery WHERE state = 0)
    + (SELECT count(*) FROM delivery WHERE state = 1)
"""
BY_TARGET = f"""
{_WAITING}, claimed(target, count) AS MATERIALIZED (
    SELECT target, count(*) FROM delivery WHERE state = 1 GROUP BY target
)
SELECT target,
    (SELECT count(*) FROM delivery d WHERE d.target = waiting.target AND d.state = 0)
        + coalesce((SELECT count FROM claimed WHERE claimed.target = waiting.target), 0),
    (SELECT min(d.event) FROM delivery d WHERE d.target = waiting.target AND d.state IN (0, 1))
FROM waiting WHERE target IS NOT NULL
"""
DEAD = "SELECT target, reason, count(*) FROM delivery WHERE state = 3 GROUP BY target, reason"
# Likewise a seek for each of the target's partitions, by the index in which their deliveries stand
# by due time.
HASTEN = """
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
_BURIED = 1000  # deliveries that are buried together, so that commits need not wait for all
_BURY = (
    "UPDATE delivery SET state = 3, due = NULL, token = NULL, settled = ?, reason = ? "
    "WHERE (event, n) IN "
    "(SELECT event, n FROM delivery WHERE target = ? AND state IN (0, 1) LIMIT ?)"
)


def targets(connection: Any) -> list[str]:
    """Return the targets for which a delivery is pending."""
    return [target for (target,) in connection.execute(TARGETS)]


def pending(connection: Any) -> int:
    """Return how many deliveries have not ended."""
    (count,) = connection.execute(PENDING).fetchone()
    return int(count)


def by_target(connection: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Return by target how many deliveries are pending, and the `seq` of the oldest one's event."""
    waiting = connection.execute(BY_TARGET).fetchall()
    counts = {target: count for target, count, _ in waiting}
    return counts, {target: seq for target, _, seq in waiting}


def dead(connection: Any) -> dict[tuple[str, str], int]:
    """Return how many dead letters there are of each target and reason."""
    return {(target, reason): count for target, reason, count in connection.execute(DEAD)}


def hasten(connection: Any, waits: Mapping[str, float], now: Steady) -> int:
    """Make due at `now` the deliveries that are due later than their target's wait from now.

    `waits` are in seconds. Return how many deliveries that are.
    """
    values = [(target, now, now + wait) for target, wait in waits.items()]
    return int(connection.executemany(HASTEN, values).rowcount)


def bury(connection: Any, target: str, reason: str, now: Steady) -> int:
    """End some of a target's pending deliveries at `now`; return how many, 0 if none is left."""
    return int(connection.execute(_BURY, (now, reason, target, _BURIED)).rowcount)
