"""A store with a past: the store's own `append` puts events there before a relay starts."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from relay.clock import steady, wall
from relay.event import Event, Owed
from relay.stores.records import Append
from relay.stores.sqlite.engine import SqliteStore

BATCH = 1000


async def fill(path: Path, count: int, route: str, owed: Sequence[Owed], body: bytes) -> None:
    """Append events that owe these deliveries, none of it held in memory."""
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    store = SqliteStore(path)
    await store.open()
    for start in range(0, count, BATCH):
        waits = []
        for _ in range(min(BATCH, count - start)):
            now = wall()
            seq, event_id = store.writing.allocate(now)
            event = Event(seq, event_id, route, "", "", "", "", now, headers, {}, body)
            append = Append(event, tuple(owed), (False,) * len(owed), steady())
            waits.append(store.writing.append(append, _nothing, _nothing))
        await asyncio.gather(*waits)
    await store.close()


def _nothing() -> None:
    pass
