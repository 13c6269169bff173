"""Items that come while others are written: one batch, one outcome."""

import asyncio
import threading

import pytest

from relay.targets.batch import BatchWriter
from tests.support.waiting import DEADLINE


class Held:
    """A `write` that keeps its batches, and waits with each until `go` is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self._error = error

    def write(self, items: list[int]) -> None:
        self.batches.append(items)
        self.begun.set()
        assert self.go.wait(DEADLINE)
        if self._error is not None and len(self.batches) == 1:
            raise self._error


async def put_after_the_first(
    writer: BatchWriter[int], held: Held, count: int
) -> list[asyncio.Task[None]]:
    """Put an item, and `count` more once it is being written."""
    tasks = [asyncio.create_task(writer.put(0))]
    assert await asyncio.to_thread(held.begun.wait, DEADLINE)
    tasks += [asyncio.create_task(writer.put(n)) for n in range(1, count + 1)]
    await asyncio.sleep(0)  # each has put its item
    return tasks


async def test_many_at_once_share_syncs() -> None:
    """All that came during a write are the next one, in the order in which they came."""
    held = Held()
    writer = BatchWriter(held.write)
    tasks = await put_after_the_first(writer, held, 50)
    held.go.set()
    await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)
    assert held.batches == [[0], list(range(1, 51))]


async def test_error_is_raised_to_its_batch_alone() -> None:
    """Whoever was in the batch that failed learns it; the next batch is written."""
    held = Held(OSError("disk"))
    writer = BatchWriter(held.write)
    tasks = await put_after_the_first(writer, held, 2)
    held.go.set()
    first, *others = await asyncio.wait_for(
        asyncio.gather(*tasks, return_exceptions=True), DEADLINE
    )
    assert isinstance(first, OSError)
    assert others == [None, None]


async def test_impatient_close_stops_no_write() -> None:
    """Whoever gives up waiting for a close takes no item along: all are written."""
    held = Held()
    writer = BatchWriter(held.write)
    tasks = await put_after_the_first(writer, held, 3)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    held.go.set()
    await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)
    assert held.batches == [[0], [1, 2, 3]]
