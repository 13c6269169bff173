"""The contract of a store: one sentence a verb. One suite of tests loops over all engines."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from relay.delivery.settle import Attempt, Settlement
from relay.event import Delivery, DeliveryState, Event, Owed


class Append(NamedTuple):
    """An event to commit with all it owes.

    `held[n]` says that delivery n stays in a lane's memory once committed; the others wait in the store.
    `since` is when it was accepted and `dedupe_until` until when its dedupe_id counts as seen (0: no
    deduplication), both by the steady clock.
    """

    event: Event
    owed: tuple[Owed, ...]
    held: tuple[bool, ...]
    since: float
    quarantined: bool = False
    dedupe_until: float = 0.0


class Settle(NamedTuple):
    """What became of a delivery; `settled` is called in the loop once it is on disk."""

    delivery: Delivery
    settlement: Settlement
    attempt: Attempt | None
    at: float
    settled: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that are the caller's now, and when the lane's next one is due (None: there is none)."""

    deliveries: list[Delivery]
    next_due: float | None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A failed attempt, as `relay why` tells it."""

    attempt: int
    at: float
    duration: float
    status: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery, as `relay why` tells it."""

    event_id: str
    n: int
    forward: str
    target: str
    state: DeliveryState
    attempts: int
    due: float | None
    settled_at: float | None
    reason: str
    status: int
    detail: str
    tried: tuple[AttemptRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event with the fate of all it owes."""

    event: Event
    quarantined: bool
    deliveries: tuple[DeliveryRecord, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Which events or deliveries to list: the newest first, `before` a sequence number (0: from the top).

    `since` and `until` are of the events' acceptance, in seconds since the epoch (0: no limit). `quarantined`
    lists only events that are.
    """

    route: str = ""
    type: str = ""
    target: str = ""
    reason: str = ""
    quarantined: bool = False
    since: float = 0.0
    until: float = 0.0
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events and dead letters are kept, in seconds; infinity is for good.

    `routes` has the routes with a time of their own.
    """

    events: float
    dead: float
    routes: Mapping[str, float] = field(default_factory=dict)

    def of(self, route: str) -> float:
        """Return how long a route's events are kept."""
        return self.routes.get(route, self.events)

    @property
    def shortest(self) -> float:
        """The shortest time of all; infinity if everything is kept for good."""
        return min(self.events, *self.routes.values(), math.inf)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many events went, and after which to look on (0: all that are old enough were looked at)."""

    events: int
    beyond: int


@dataclass(frozen=True, slots=True)
class Walked:
    """Events in the order of acceptance, and after which to look on (0: there are no more)."""

    events: list[Event]
    beyond: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What stands in the store."""

    pending: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)
    dead: dict[tuple[str, str], int] = field(default_factory=dict)
    bytes: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """How one transaction went: for metrics. `error` says why it failed; '' if it did not."""

    operations: int
    duration: float
    error: str = ""


class Store(Protocol):
    """Where events and what they owe are kept; times are in seconds since the epoch, by the steady clock."""

    async def open(self) -> None:
        """Open or create the store, and make what a crash left claimed or in memory pending again."""

    async def close(self) -> None:
        """Commit what waits, then close."""

    @property
    def waiting(self) -> int:
        """How many events wait for their commit."""

    @property
    def pending(self) -> int:
        """How many deliveries have not ended, as of the last commit."""

    @property
    def fault(self) -> str:
        """Why the last commit failed; '' if it did not. Cleared by itself once commits succeed again."""

    def free(self) -> int:
        """How many bytes are free where the store keeps its data. May block on a disk."""

    def allocate(self, now: float) -> tuple[int, str]:
        """Return a new event's sequence number and public id; its append must follow without an await."""

    @property
    def token(self) -> int:
        """Under which token this process holds deliveries in memory."""

    def append(
        self,
        append: Append,
        committed: Callable[[], None],
        released: Callable[[], None],
        conflicted: Callable[[], None] = ...,
    ) -> "asyncio.Future[str]":
        """Commit an event; give '', or the id of the event it duplicates.

        Calls `committed` if it is stored and `released` if it is not, before the future is done; `conflicted` as well
        if it is a duplicate by its id whose body is another.

        The future raises StoreUnavailable if it could not be committed: nothing is stored then.
        """

    def settle(self, settle: Settle) -> None:
        """Record what became of a delivery, unless another owner has taken it over; kept until it commits."""

    async def claim(
        self, target: str, now: float, limit: int, size: int, partition: int = 0
    ) -> Claim:
        """Take the lane's due deliveries, the longest due first, at most `limit` and about `size` bytes."""

    async def divided(self) -> Mapping[str, int]:
        """Return into how many lanes targets' deliveries are divided, where that is not one."""

    async def divide(self, target: str, partitions: int) -> int:
        """Divide a target's deliveries into `partitions` lanes, none of which runs yet; return how many moved."""

    async def replay(self, seq: int, n: int, now: float) -> bool:
        """Make a delivery that ended pending again with a fresh budget; tell whether it had ended."""

    async def release(self, event: Event, owed: Sequence[Owed], now: float) -> bool:
        """Let an event out of quarantine, with what it owes pending; tell whether it was in there."""

    async def bury(self, kept: Sequence[str], reason: str, now: float) -> dict[str, int]:
        """End all pending deliveries whose target is not one of `kept`; return how many, by target."""

    async def hasten(self, latest: Mapping[str, float], now: float) -> int:
        """Make due `now` what is due after its target's `latest`; return how many there were."""

    async def pause(self, target: str, now: float) -> None:
        """Remember that a target is paused; a settle whose settlement pauses does so too."""

    async def resume(self, target: str) -> None:
        """Forget that a target was paused."""

    async def paused(self) -> frozenset[str]:
        """Return the targets that are paused."""

    async def prune(self, retention: Retention, now: float, beyond: int, limit: int) -> Pruned:
        """Delete old events after `beyond` that nothing needs any more; look at `limit` at most."""

    async def find(self, id_or_dedupe_id: str) -> list[EventRecord]:
        """Return the event of a public id, or those whose sender's id still counts as seen; empty if none."""

    async def events(self, query: Query) -> list[EventRecord]:
        """List events, the newest first."""

    async def walk(self, query: Query, beyond: int, size: int) -> Walked:
        """Return accepted events after `beyond`, the oldest first: of `query.limit`, and at most about `size` bytes."""

    async def dead(self, query: Query) -> list[DeliveryRecord]:
        """List dead letters, the newest events' first."""

    async def counts(self) -> Counts:
        """Count what waits and what is dead."""

    async def info(self) -> dict[str, Any]:
        """Describe the engine for `relay version` and start-up: name, version, schema."""
