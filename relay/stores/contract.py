"""The contract of a store, in four parts: one for each kind of caller.

`Writing` is for the public listener, `Delivering` for the lanes, `Asking` for readers. `Operating`
changes stored deliveries apart from the way of a webhook: an operator's replay, the relay's own
housekeeping. A caller is given the part that it needs, so that no reader can settle and no lane
can prune.

Every time, `now` too, is in seconds since the epoch, by the clock that its type names. A coroutine
raises StoreUnavailable if the store can't be read or can't commit; then it has changed nothing, but
for the steps before in those that work in steps: `divide`, `bury` and `prune`.

One suite of tests, `tests/contract/stores`, holds all engines to this.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from relay.clock import Steady, Wall
from relay.event import Event, Owed
from relay.stores.records import (
    Append,
    Claim,
    Counts,
    DeliveryRecord,
    EventRecord,
    Pruned,
    Query,
    Retention,
    Settle,
    Walked,
)


class Writing(Protocol):
    """Accepting events. All but `free` return at once."""

    @property
    def waiting(self) -> int:
        """How many events wait for their commit."""

    @property
    def pending(self) -> int:
        """How many deliveries have not ended, as of the last commit."""

    @property
    def fault(self) -> str:
        """Why the last commit failed; '' once a commit has succeeded again."""

    def free(self) -> int:
        """Return how many bytes are free where the store keeps its data.

        May block on a disk. Raises OSError.
        """

    def allocate(self, now: Wall) -> tuple[int, str]:
        """Return a new event's sequence number and public id.

        Its append must follow without an await, so that events are committed in the order of their
        numbers. Numbers rise with `now`, and go on rising when that stands still or goes back.
        """

    def append(
        self,
        append: Append,
        committed: Callable[[], None],
        not_committed: Callable[[], None],
        conflicted: Callable[[], None] = ...,
    ) -> "asyncio.Future[str]":
        """Commit an event; the future gives '', or the id of the event that it duplicates.

        Before the future is done, calls `committed` if the event is stored, else `not_committed`;
        also `conflicted` if it is a duplicate by its sender's id that has another body. The future
        raises StoreUnavailable if the event could not be committed; then nothing of it is stored.
        """


class Delivering(Protocol):
    """Carrying deliveries out.

    A lane is a target and the number of a partition. A token shows that a delivery is still its
    owner's when it is settled: each claim has one of its own, and a delivery that was only ever in
    a lane's memory has that lane's. The store knows no lane's token, since it needs none: a settle
    counts if its delivery has no row yet, or has one that is claimed under the settle's token.
    """

    async def claim(
        self, target: str, now: Steady, limit: int, size: int, partition: int = 0
    ) -> Claim:
        """Claim the lane's deliveries that are due, the longest due first.

        At most `limit`, and only until their bodies have `size` bytes together.
        """

    def settle(self, settle: Settle) -> None:
        """Record the outcome of a delivery, unless another owner has it; returns at once.

        An outcome that can't be committed is kept and tried again until it can be, or until the
        store closes or its disk fails: then the next start finds the delivery pending.
        """

    async def hasten(self, waits: Mapping[str, float], now: Steady) -> int:
        """Make due at `now` the deliveries that are due later than any wait can explain.

        `waits` has targets' longest waits in seconds. Return how many deliveries that are.
        """

    async def divided(self) -> Mapping[str, int]:
        """Return into how many lanes targets are divided, of those that ever were."""

    async def divide(self, target: str, partitions: int) -> int:
        """Divide a target's deliveries into lanes, none of which runs yet; return how many moved.

        That is 0 if they are divided so already, else rounded up to whole steps.
        """

    async def pause(self, target: str, now: Steady) -> None:
        """Remember that a target is paused since `now`; a settlement with `pause` does so too."""

    async def resume(self, target: str) -> None:
        """Forget that a target was paused."""

    async def paused(self) -> frozenset[str]:
        """Return the targets that are paused."""


class Asking(Protocol):
    """Reading events and their fates."""

    async def find(self, id_or_dedupe_id: str) -> list[EventRecord]:
        """Return the event of a public id, or those of a sender's id that still counts as seen."""

    async def events(self, query: Query) -> list[EventRecord]:
        """List events, the newest first."""

    async def walk(self, query: Query, beyond: int, size: int) -> Walked:
        """Return accepted events after the `seq` `beyond`, the oldest first.

        Looks at `query.limit` events at most, and stops before their bodies have more than `size`
        bytes together, unless there is only one.
        """

    async def dead(self, query: Query) -> list[DeliveryRecord]:
        """List dead letters, the newest events' first.

        An event's are never parted: a page that would end within an event is longer than `limit`.
        """

    async def counts(self) -> Counts:
        """Count pending deliveries and dead letters, and the bytes of the store and its disk."""

    async def info(self) -> dict[str, Any]:
        """Return the engine's name, and the versions of it and of its schema."""


class Operating(Protocol):
    """Changing stored deliveries apart from the way of a webhook."""

    async def replay(self, seq: int, n: int, now: Steady) -> bool:
        """Make an ended delivery pending again, due at `now` with a fresh budget.

        Tell whether it had ended; else nothing changes.
        """

    async def release(self, event: Event, owed: Sequence[Owed], now: Steady) -> bool:
        """Let an event out of quarantine, with deliveries that are due at `now`.

        Tell whether it was in quarantine; else nothing changes.
        """

    async def bury(self, kept: Sequence[str], reason: str, now: Steady) -> dict[str, int]:
        """End all pending deliveries whose target is not one of `kept`; count them by target."""

    async def prune(self, retention: Retention, now: Steady, beyond: int, limit: int) -> Pruned:
        """Delete old events after the `seq` `beyond` that nothing needs; look at `limit` at most.

        An event is needed while a delivery of it is pending, while a dead letter of it is younger
        than `retention.dead`, and while its id still counts as seen. An event's age counts from its
        `received_at`: if the wall clock was wrong then, it goes by as much sooner or later.
        """


class Store(Protocol):
    """Keeps events with what they owe. Its parts may be handed out before it is open."""

    @property
    def writing(self) -> Writing:
        """Accepting events."""

    @property
    def delivering(self) -> Delivering:
        """Carrying deliveries out."""

    @property
    def asking(self) -> Asking:
        """Reading events and their fates."""

    @property
    def operating(self) -> Operating:
        """Changing stored deliveries apart from the way of a webhook."""

    async def open(self) -> None:
        """Open or create the store; deliveries that were claimed or in memory are pending again.

        Raises StoreUnusable, whose text names the remedy.
        """

    async def close(self) -> None:
        """Commit all that waits, give up what can't be committed, then close."""
