"""A store with a past: events that are in it before a relay starts, put there by the store's own `append`."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from relay.event import Event, Owed
from relay.stores.contract import Append
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
            now = time.time()
            seq, event_id = store.allocate(now)
            event = Event(seq, event_id, route, "", "", "", "", now, headers, {}, body)
            append = Append(event, tuple(owed), (False,) * len(owed), now)
            waits.append(store.append(append, _nothing, _nothing))
        await asyncio.gather(*waits)
    await store.close()


def _nothing() -> None:
    pass
