"""The state of all targets at one moment: the store's counts, and those of the lanes' memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from relay.clock import Steady
from relay.delivery.breaker import BreakerState
from relay.stores.records import Counts


@dataclass(frozen=True, slots=True)
class TargetState:
    """A target as the gauges and the console show it.

    `oldest` is the age in seconds of its oldest pending delivery.
    """

    target: str
    pending: int
    oldest: float
    dead: dict[str, int]
    breaker: BreakerState = BreakerState.CLOSED
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All targets, by name, and the store's size and free space in bytes."""

    targets: tuple[TargetState, ...]
    store_bytes: int
    free_bytes: int


class LaneState(Protocol):
    """A lane, as far as a snapshot reads it."""

    @property
    def in_memory(self) -> int:
        """How many deliveries are in memory only."""

    @property
    def breaker_state(self) -> BreakerState:
        """How the breaker stands now."""

    @property
    def paused(self) -> bool:
        """Whether the target is stopped."""

    def oldest_in_memory(self, now: Steady) -> float:
        """Return the age in seconds of the oldest delivery in memory; 0 if there is none."""


def take_snapshot(counts: Counts, lanes: Mapping[str, LaneState], now: Steady) -> Snapshot:
    """Return the state of every target that has a lane, a pending delivery or a dead letter."""
    dead: dict[str, dict[str, int]] = {}
    for (target, reason), count in counts.dead.items():
        dead.setdefault(target, {})[reason] = count
    names = sorted({*lanes, *counts.pending, *dead})
    return Snapshot(
        tuple(_state(name, counts, dead.get(name, {}), lanes.get(name), now) for name in names),
        counts.bytes,
        counts.free,
    )


def _state(
    target: str, counts: Counts, dead: dict[str, int], lane: LaneState | None, now: Steady
) -> TargetState:
    stored_at = counts.oldest.get(target)
    oldest = max(now - stored_at, 0.0) if stored_at is not None else 0.0
    state = TargetState(target, counts.pending.get(target, 0), oldest, dead)
    if lane is None:
        return state
    return replace(
        state,
        pending=state.pending + lane.in_memory,
        oldest=max(oldest, lane.oldest_in_memory(now)),
        breaker=lane.breaker_state,
        paused=lane.paused,
    )
