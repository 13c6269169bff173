"""Items that come while a batch is written are the next batch: one thread's turn, one sync for all.

This saves a wake-up and an fsync a delivery; test_many_at_once_share_syncs holds it.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

CONCURRENCY = 256  # deliveries of a target that may share one batch
T = TypeVar("T")


class BatchWriter(Generic[T]):
    """Hands items to `write`, a function that blocks, as many at a time as have come.

    An exception that `write` raises is raised to all whose items were in its batch.
    """

    def __init__(self, write: Callable[[list[T]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, item: T) -> None:
        """Return once the item is written; raise what `write` raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._run())
        await done

    async def close(self) -> None:
        """Wait until all items that were put are written."""
        if self._writing is not None:
            await asyncio.wait({self._writing})  # who stops waiting does not stop the writing

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                await asyncio.to_thread(self._write, [item for item, _ in batch])
            except Exception as failure:  # noqa: BLE001 - all whose items were in the batch get it
                error = failure
            for _, done in batch:
                if done.done():  # cancelled meanwhile
                    continue
                if error is not None:
                    done.set_exception(error)
                else:
                    done.set_result(None)
        self._writing = None
