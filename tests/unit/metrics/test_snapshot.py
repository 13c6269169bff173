"""The state of all targets: the store's counts and the lanes' memory, put together."""

from dataclasses import dataclass

from relay.clock import Steady, Wall
from relay.delivery.breaker import BreakerState
from relay.metrics.snapshot import TargetState, take_snapshot
from relay.stores.records import Counts

NOW = Steady(1_800_000_000.0)


@dataclass(frozen=True)
class Lane:
    """A lane with deliveries in memory, the oldest `age` seconds old."""

    in_memory: int = 0
    age: float = 0.0
    breaker_state: BreakerState = BreakerState.CLOSED
    paused: bool = False

    def oldest_in_memory(self, now: Steady) -> float:
        """Return its age; the clock is the snapshot's."""
        assert now == NOW
        return self.age


def test_store_and_memory_add_up() -> None:
    """Pending deliveries of both; the older age of the two; breaker and pause are the lane's."""
    counts = Counts(
        pending={"hook": 3},
        oldest={"hook": Wall(NOW - 5)},
        dead={("hook", "gone"): 2},
        bytes=7,
        free=9,
    )
    lane = Lane(in_memory=4, age=8.0, breaker_state=BreakerState.OPEN, paused=True)
    snapshot = take_snapshot(counts, {"hook": lane}, NOW)
    assert snapshot.targets == (TargetState("hook", 7, 8.0, {"gone": 2}, BreakerState.OPEN, True),)
    assert (snapshot.store_bytes, snapshot.free_bytes) == (7, 9)
    older = take_snapshot(counts, {"hook": Lane(in_memory=1, age=2.0)}, NOW)
    assert older.targets[0].oldest == 5.0


def test_target_that_only_the_store_knows_is_told() -> None:
    """By name, with those that only have a lane: whoever removed a target sees its dead letters."""
    counts = Counts(pending={"b": 1}, oldest={"b": Wall(NOW + 60)}, dead={("c", "gone"): 1})
    targets = take_snapshot(counts, {"a": Lane()}, NOW).targets
    assert [(one.target, one.pending, one.oldest) for one in targets] == [
        ("a", 0, 0.0),
        ("b", 1, 0.0),
        ("c", 0, 0.0),
    ]
