"""A store kept small, and its disk watched: old events are pruned a few at a time."""

import asyncio
from collections.abc import Callable

from relay.clock import steady
from relay.errors import StoreUnavailable
from relay.stores.contract import Operating, Writing
from relay.stores.records import Pruned, Retention

_TOGETHER = 200  # events of one step


async def prune(
    store: Operating,
    retention: Callable[[], Retention],
    *,
    rest: float = 60.0,
    between: float = 1.0,
    busy: float = 0.01,
) -> None:
    """Prune until cancelled: step after step where events go, slowly where all stay.

    Pauses are in seconds: `rest` between two walks over the store, `between` two steps of which the
    first pruned nothing, `busy` after one that did. `retention` is asked before each step, since a
    reload may change it. A store that can't commit is tried again after `rest`.
    """
    beyond = 0
    while True:
        try:
            pruned = await store.prune(retention(), steady(), beyond, _TOGETHER)
        except StoreUnavailable:
            pruned = Pruned(0, 0)
        beyond = pruned.beyond
        await asyncio.sleep(rest if not beyond else busy if pruned.events else between)


async def is_full(store: Writing, least: int) -> tuple[bool, int]:
    """Tell whether fewer than `least` bytes are free on the store's disk, and how many are."""
    free = await asyncio.to_thread(store.free)
    return free < least, free
