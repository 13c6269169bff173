"""The part of the store that changes stored deliveries; see `relay.stores.contract.Operating`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from relay.clock import Steady
from relay.event import Event, Owed
from relay.stores.records import Pruned, Retention
from relay.stores.sqlite import backlog, ordered, prune, rows
from relay.stores.sqlite.database import Database

_BREATH = 0.005  # seconds between two steps of giving space back


class SqliteOperating:
    """Changes stored deliveries apart from the way of a webhook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replay(self, seq: int, n: int, now: Steady) -> bool:
        """Make an ended delivery pending again."""
        replay = partial(ordered.replay, seq=seq, n=n, now=now, tag=self._database.tag)
        replayed = await self._database.write(replay)
        self._database.ledger.pending += replayed
        return replayed

    async def release(self, event: Event, owed: Sequence[Owed], now: Steady) -> bool:
        """Let an event out of quarantine."""
        released = await self._database.write(
            lambda connection: _release(connection, event, owed, now)
        )
        self._database.ledger.pending += len(owed) * released
        return released

    async def bury(self, kept: Sequence[str], reason: str, now: Steady) -> dict[str, int]:
        """End pending deliveries of removed targets, in a transaction for each thousand."""
        database = self._database
        waiting = await database.read(backlog.targets)
        buried = {target: 0 for target in waiting if target not in kept}
        for target in buried:
            bury = partial(backlog.bury, target=target, reason=reason, now=now)
            while count := await database.write(bury):
                buried[target] += count
                database.ledger.pending -= count
        return buried

    async def prune(self, retention: Retention, now: Steady, beyond: int, limit: int) -> Pruned:
        """Delete a few old events; the reader finds them, so that commits wait only for the end."""
        database = self._database
        old, beyond = await database.read(
            lambda connection: prune.candidates(connection, retention, now, beyond, limit)
        )
        old = [seq for seq in old if not database.ledger.holds(seq)]
        if not old:
            return Pruned(0, beyond)
        deleted = await database.write(lambda connection: prune.delete(connection, old))
        # Each step has a transaction of its own, so that commits come between.
        while True:
            if not await database.write(prune.give_space_back):
                return Pruned(deleted, beyond)
            await asyncio.sleep(_BREATH)


def _release(connection: Any, event: Event, owed: Sequence[Owed], now: Steady) -> bool:
    released = connection.execute(
        "UPDATE event SET quarantined = 0, owed = ? WHERE seq = ? AND quarantined = 1",
        (rows.write_owed(owed), event.seq),
    ).rowcount
    if not released:
        return False
    in_order = [(event, n, delivery, now) for n, delivery in enumerate(owed) if delivery.ordered]
    values = ordered.new_rows(connection, in_order)
    for n, delivery in enumerate(owed):
        if not delivery.ordered:
            values += rows.pending_row(event, n, delivery, now)
    rows.insert_many(connection, rows.INSERT_DELIVERIES, "", rows.DELIVERY_WIDTH, values)
    return True
