"""The cost of many events at once, counted in statements: it does not grow with the events."""

import asyncio
import math
from pathlib import Path

import pytest

from relay.stores.sqlite import backlog
from relay.stores.sqlite.engine import SqliteStore
from tests.contract.stores.engine import (
    DEADLINE,
    DELIVERED,
    NOW,
    Appender,
    SqliteEngine,
    soon,
    start_settle,
)

TOGETHER = 64


@pytest.mark.parametrize(("prefix", "most"), [("", 3), ("id-", 5)], ids=["plain", "deduplicated"])
async def test_sixty_four_events_at_once_are_one_transaction_of_few_statements(
    tmp_path: Path, prefix: str, most: int
) -> None:
    """BEGIN, the events, COMMIT; one statement looks ids up, one remembers them. Settles too."""
    # Once a second the mark moves, by one more statement.
    store = SqliteStore(tmp_path / "relay.db", mark_every=math.inf)
    await store.open()
    make = Appender(store)
    statements: list[str] = []
    store.database.opened.connection.set_trace_callback(statements.append)
    events = [make.event(dedupe_id=prefix and f"{prefix}{n}") for n in range(TOGETHER)]
    until = events[0].received_at + 60 if prefix else 0.0
    appended = [make.start(event, {"inbox": True}, until=until) for event in events]
    assert await soon(asyncio.gather(*appended)) == [""] * TOGETHER
    assert len(statements) <= most, statements
    statements.clear()
    ended = [start_settle(store, make.held(event), DELIVERED) for event in events]
    for settled in ended:
        await asyncio.wait_for(settled.wait(), DEADLINE)
    assert len(statements) <= 3, statements
    await store.close()


@pytest.mark.parametrize(
    "statement",
    [backlog.TARGETS, backlog.PENDING, backlog.BY_TARGET, backlog.DEAD, backlog.HASTEN],
)
async def test_what_waits_is_counted_without_reading_its_rows(
    tmp_path: Path, statement: str
) -> None:
    """An index holds all that a walk through it needs, or is only searched: no row is read."""
    engine = SqliteEngine(tmp_path / "relay.db")
    store = await engine.open()
    values = ("inbox", NOW, NOW)[: statement.count("?")]
    plan = [
        step
        for *_, step in store.database.opened.reader.execute(
            f"EXPLAIN QUERY PLAN {statement}", values
        )
    ]
    through = [step for step in plan if step.startswith(("SCAN delivery", "SCAN d "))]
    # What is claimed has few rows: as many as lanes have in their hands.
    assert [
        step for step in through if "COVERING" not in step and "delivery_claimed" not in step
    ] == [], plan
    assert any("INDEX delivery_" in step for step in plan), plan
    if statement is backlog.HASTEN:
        assert any("partition=? AND due>?" in step for step in plan), plan
    await engine.close_all()
