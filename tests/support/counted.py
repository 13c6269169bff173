"""A whole relay in a thread and loop of its own, whose work is counted, not timed.

Clients and targets run elsewhere, so that what is counted is the relay's alone. Counts are the same
on any machine, but for what the relay does once a second: take the median over events.
"""

import asyncio
import statistics
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import astuple, dataclass
from types import FrameType
from typing import Any, Self, TypeVarTuple

from relay.app import Relay
from relay.config import SecretsMode, load
from tests.support.site import Site
from tests.support.waiting import DEADLINE, until

Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Counts:
    """The work done so far, or for one event.

    `calls`: Python functions called and coroutines resumed, in all threads; `handles`: callbacks
    and timers given to the loop; `statements` and `transactions` of the writing connection;
    `written`: bytes of the write-ahead log, until it is begun anew.
    """

    calls: float
    handles: float
    statements: float
    transactions: float
    written: float

    def since(self, before: "Counts") -> "Counts":
        """Return what was done since `before`."""
        return Counts(
            *(now - then for now, then in zip(astuple(self), astuple(before), strict=True))
        )


def median(counts: Sequence[Counts]) -> Counts:
    """Return the median of each count."""
    return Counts(
        *(statistics.median(values) for values in zip(*map(astuple, counts), strict=True))
    )


class CountedRelay:
    """Start it by `async with`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = _Loop()
        self._relay = Relay(load(site.config, SecretsMode.CREATE))
        self._calls = 0
        self._statements: list[str] = []
        self._thread = threading.Thread(target=self._run, name="counted-relay")

    async def __aenter__(self) -> Self:
        """Start the relay."""
        threading.setprofile(self._profile)
        self._thread.start()
        await self._do(self._relay.start)
        self._relay.store.database.opened.connection.set_trace_callback(self._statements.append)
        self.public = f"http://127.0.0.1:{self._relay.public_port}"
        self.admin = f"http://127.0.0.1:{self._relay.admin_port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the relay."""
        await self._do(self._relay.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, DEADLINE)
        threading.setprofile(None)

    async def counts(self) -> Counts:
        """Return the counts so far, once nothing is pending and the loop has nothing left to do."""

        async def idle() -> bool:
            return self._relay.store.writing.pending == 0 and self._relay.store.writing.waiting == 0

        await until(idle, "all deliveries to end")
        for _ in range(3):  # what ended the last one has scheduled more, and that perhaps once more
            passed = threading.Event()
            self._loop.call_uncounted(passed.set)
            await asyncio.to_thread(passed.wait, DEADLINE)
        statements = [text for text in self._statements if not text.startswith("--")]
        return Counts(
            calls=self._calls,
            handles=self._loop.handles,
            statements=len(statements),
            transactions=statements.count("COMMIT"),
            written=(self._site.var / "relay.db-wal").stat().st_size,
        )

    def _run(self) -> None:
        sys.setprofile(self._profile)
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _profile(self, _frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            self._calls += 1

    async def _do(self, work: Callable[[], Any]) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))


class _Loop(asyncio.SelectorEventLoop):
    """asyncio's own loop, which is written in Python: it can count what is given to it."""

    def __init__(self) -> None:
        super().__init__()
        self.handles = 0

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Count a callback."""
        self.handles += 1
        return super().call_soon(callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Count a callback from another thread."""
        self.handles += 1
        return super().call_soon_threadsafe(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Count a timer."""
        self.handles += 1
        return super().call_at(when, callback, *args, context=context)

    def call_uncounted(self, callback: Callable[[], object]) -> None:
        """Call from another thread, without counting it."""
        super().call_soon_threadsafe(callback)
