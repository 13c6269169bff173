"""The values that go into a store and come out of it; `relay.stores.contract` has the verbs.

Numbers: a time is in seconds since the epoch, by the clock that its type names; a duration is in
seconds, a size in bytes; `seq` is an event's sequence number and `n` a delivery's place in what its
event owes.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from relay.clock import Steady, Wall
from relay.delivery.settle import Attempt, Settlement
from relay.event import Delivery, DeliveryState, Event, Owed

_NO_BOUND = Wall(0.0)


class Append(NamedTuple):
    """An event to commit with all that it owes.

    `held[n]` says that delivery n stays in a lane's memory once it is committed; the others wait in
    the store. `since` is when the event was accepted; for `dedupe` seconds from then its
    `dedupe_id` counts as seen (0: it is not deduplicated).
    """

    event: Event
    owed: tuple[Owed, ...]
    held: tuple[bool, ...]
    since: Steady
    quarantined: bool = False
    dedupe: float = 0.0


class Settle(NamedTuple):
    """The outcome of a delivery, decided at `at` by the steady clock.

    `settled` is called in the loop once the outcome is on disk.
    """

    delivery: Delivery
    settlement: Settlement
    attempt: Attempt | None
    at: Steady
    settled: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that belong to the caller now, and when the next one is due (None: none is)."""

    deliveries: list[Delivery]
    next_due: Steady | None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A failed attempt, as people read it. It began at `at` and took `duration` seconds."""

    attempt: int
    at: Wall
    duration: float
    status: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery, as people read it; `tried` are its failed attempts, the oldest first.

    `due` is None once it has ended and while it waits for another of its ordering; `settled_at`
    until it has ended.
    """

    event_id: str
    n: int
    forward: str
    target: str
    state: DeliveryState
    attempts: int
    due: Steady | None
    settled_at: Steady | None
    reason: str
    status: int
    detail: str
    tried: tuple[AttemptRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event with the fate of all that it owes, in the order of the forwards."""

    event: Event
    quarantined: bool
    deliveries: tuple[DeliveryRecord, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Which events or dead letters to list, at most `limit`; an empty condition holds for all.

    `before` is the sequence number of an event: only older ones are listed (0: from the newest on).
    `since` and `until` bound when the events were accepted (0: no bound). `quarantined` lists only
    events that are.
    """

    route: str = ""
    type: str = ""
    target: str = ""
    reason: str = ""
    quarantined: bool = False
    since: Wall = _NO_BOUND
    until: Wall = _NO_BOUND
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Retention:
    """How many seconds events and dead letters are kept; infinity is for good.

    `routes` has the routes whose events have a time of their own.
    """

    events: float
    dead: float
    routes: Mapping[str, float] = field(default_factory=dict)

    def of(self, route: str) -> float:
        """Return how many seconds a route's events are kept."""
        return self.routes.get(route, self.events)

    @property
    def shortest(self) -> float:
        """The shortest time of all, in seconds; infinity if everything is kept for good."""
        return min(self.events, *self.routes.values(), math.inf)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many events were deleted, and the `seq` to look on after (0: the end was reached)."""

    events: int
    beyond: int


@dataclass(frozen=True, slots=True)
class Walked:
    """Events in the order of acceptance, and the `seq` to look on after (0: there are no more)."""

    events: list[Event]
    beyond: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much stands in the store.

    By target: how many deliveries are `pending`, and when the event of the `oldest` of them was
    accepted. By target and reason: how many are `dead`. `bytes` is the size of the store, `free`
    the room that is left where it is.
    """

    pending: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, Wall] = field(default_factory=dict)
    dead: dict[tuple[str, str], int] = field(default_factory=dict)
    bytes: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction, for metrics: how many operations it had, and how many seconds it took.

    `error` says why it failed; '' if it did not.
    """

    operations: int
    duration: float
    error: str = ""
