"""The part of the store that carries deliveries out; see `relay.stores.contract.Delivering`."""

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from relay.clock import Steady
from relay.stores.records import Claim, Settle
from relay.stores.sqlite import backlog, division, rows
from relay.stores.sqlite.database import Database
from relay.stores.sqlite.plan import pause

_DUE = (
    "SELECT d.n, d.forward, d.target, d.attempts, d.since, d.ordering, d.partition, "
    f"{rows.EVENT_COLUMNS} FROM delivery d JOIN event ON seq = d.event WHERE d.target = ? "
    "AND d.partition = ? AND d.state = 0 AND d.due <= ? ORDER BY d.due LIMIT ?"
)
_NEXT_DUE = "SELECT min(due) FROM delivery WHERE target = ? AND partition = ? AND state = 0"


class SqliteDelivering:
    """Carries deliveries out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, target: str, now: Steady, limit: int, size: int, partition: int = 0
    ) -> Claim:
        """Claim deliveries of a lane that are due."""
        tag = self._database.tag
        return await self._database.write(
            lambda connection: _claim(connection, tag, (target, partition), now, limit, size)
        )

    def settle(self, settle: Settle) -> None:
        """Record the outcome of a delivery with the next commit."""
        self._database.writer.add_settle(settle)

    async def hasten(self, waits: Mapping[str, float], now: Steady) -> int:
        """Make due the deliveries that are due later than any wait can explain."""
        if not waits:
            return 0
        return await self._database.write(partial(backlog.hasten, waits=waits, now=now))

    async def divided(self) -> Mapping[str, int]:
        """Return into how many lanes targets are divided."""
        return await self._database.read(division.counts)

    async def divide(self, target: str, partitions: int) -> int:
        """Divide a target's deliveries into lanes, in a transaction for each thousand."""
        write = self._database.write
        if await write(partial(division.count, target=target)) == partitions:
            return 0
        moved, beyond = 0, [0, 0]
        while beyond:
            move = partial(
                division.move,
                target=target,
                partitions=partitions,
                tag=self._database.tag,
                beyond=beyond,
            )
            beyond = await write(move)
            moved += division.MOVED if beyond else 0
        await write(partial(division.remember, target=target, partitions=partitions))
        return moved

    async def pause(self, target: str, now: Steady) -> None:
        """Remember that a target is paused."""
        await self._database.write(lambda connection: pause(connection, target, now))

    async def resume(self, target: str) -> None:
        """Forget that a target was paused."""
        sql = "DELETE FROM paused WHERE target = ?"
        await self._database.write(lambda connection: connection.execute(sql, (target,)))

    async def paused(self) -> frozenset[str]:
        """Return the targets that are paused."""
        sql = "SELECT target FROM paused"
        return await self._database.read(
            lambda connection: frozenset(target for (target,) in connection.execute(sql))
        )


def _claim(
    connection: Any, tag: int, lane: tuple[str, int], now: Steady, limit: int, size: int
) -> Claim:
    token = secrets.randbits(62)
    claimed = []
    due = connection.execute(_DUE, (*lane, now, limit))
    for row in due:
        event = rows.read_event(row[7:], tag)
        claimed.append(rows.read_delivery(row[:7], event, token))
        size -= len(event.raw)
        if size <= 0:
            break
    due.close()
    connection.executemany(
        "UPDATE delivery SET state = 1, token = ? WHERE event = ? AND n = ?",
        [(token, delivery.event.seq, delivery.n) for delivery in claimed],
    )
    (next_due,) = connection.execute(_NEXT_DUE, lane).fetchone()
    return Claim(claimed, next_due)
