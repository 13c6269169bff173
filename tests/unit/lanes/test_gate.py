"""A lane's gate: when the next attempt may begin, after whatever happened before."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Steady
from relay.delivery.breaker import BreakerPolicy, BreakerState
from relay.delivery.rate import Rate
from relay.errors import DeliveryReason
from relay.lanes.gate import (
    FREE,
    Gate,
    advance,
    count_attempt,
    end_attempt,
    hold,
    limit,
    pause,
    resume,
    stop,
    wait,
)

START = Steady(1_000_000.0)
POLICY = BreakerPolicy(failures=2, cool_off=30.0, max_cool_off=100.0)
HOURLY = Rate(1, 3600)
Step = Callable[[Gate, Steady], Gate]


def later(seconds: float) -> Steady:
    return Steady(START + seconds)


def begins(gate: Gate, now: Steady) -> Gate:
    return count_attempt(gate, now)


def fails(gate: Gate, now: Steady) -> Gate:
    return end_attempt(gate, DeliveryReason.TIMEOUT, POLICY, now)


def is_refused(gate: Gate, now: Steady) -> Gate:
    return end_attempt(gate, DeliveryReason.REFUSED, POLICY, now)


def succeeds(gate: Gate, now: Steady) -> Gate:
    return end_attempt(gate, None, POLICY, now)


def asks_for_10_s(gate: Gate, now: Steady) -> Gate:
    return hold(gate, Steady(now + 10))


def asks_for_60_s(gate: Gate, now: Steady) -> Gate:
    return hold(gate, Steady(now + 60))


def pauses(gate: Gate, _: Steady) -> Gate:
    return pause(gate)


def resumes(gate: Gate, _: Steady) -> Gate:
    return resume(gate)


def stops(gate: Gate, _: Steady) -> Gate:
    return stop(gate)


def gets_a_rate(gate: Gate, _: Steady) -> Gate:
    return limit(gate, HOURLY)


def loses_its_rate(gate: Gate, _: Steady) -> Gate:
    return limit(gate, None)


def passes_time(gate: Gate, now: Steady) -> Gate:
    return advance(gate, now)


STEPS: Sequence[Step] = (
    begins,
    fails,
    is_refused,
    succeeds,
    asks_for_10_s,
    asks_for_60_s,
    pauses,
    resumes,
    stops,
    gets_a_rate,
    loses_its_rate,
    passes_time,
)


def after(steps: Sequence[Step], now: Steady = START) -> Gate:
    gate = FREE
    for step in steps:
        gate = step(gate, now)
    return gate


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ((), 0.0),
        ((begins, succeeds), 0.0),
        ((begins, fails), 0.0),
        ((fails, fails), 30.0),
        ((fails, succeeds, fails), 0.0),
        ((fails, is_refused, fails), 0.0),
        ((fails, fails, fails), 30.0),
        ((asks_for_10_s,), 10.0),
        ((asks_for_60_s, asks_for_10_s), 60.0),
        ((asks_for_10_s, asks_for_60_s), 60.0),
        ((fails, fails, asks_for_10_s), 30.0),
        ((fails, fails, asks_for_60_s), 60.0),
        ((gets_a_rate,), 0.0),
        ((gets_a_rate, begins), 3600.0),
        ((begins, gets_a_rate), 0.0),
        ((gets_a_rate, begins, loses_its_rate), 0.0),
        ((gets_a_rate, begins, loses_its_rate, gets_a_rate), 0.0),
        ((gets_a_rate, begins, asks_for_60_s), 3600.0),
        ((pauses,), math.inf),
        ((pauses, fails, succeeds), math.inf),
        ((pauses, pauses, resumes), 0.0),
        ((asks_for_60_s, resumes), 0.0),
        ((fails, fails, resumes), 0.0),
        ((gets_a_rate, begins, resumes), 3600.0),
        ((stops,), math.inf),
        ((stops, resumes), math.inf),
        ((stops, pauses, resumes, loses_its_rate), math.inf),
    ],
)
def test_seconds_until_an_attempt_may_begin(steps: Sequence[Step], seconds: float) -> None:
    """Whatever shuts a gate: what else leaves it shut, and what opens it again."""
    assert wait(after(steps), START) == seconds


@pytest.mark.parametrize(
    ("steps", "seconds", "left"),
    [
        ((asks_for_10_s,), 9.5, 0.5),
        ((asks_for_10_s,), 10.0, 0.0),
        ((fails, fails), 29.5, 0.5),
        ((fails, fails), 30.0, 0.0),
        ((gets_a_rate, begins), 3599.5, 0.5),
        ((gets_a_rate, begins), 3600.0, 0.0),
        ((pauses,), 1e9, math.inf),
    ],
)
def test_time_opens_a_gate(steps: Sequence[Step], seconds: float, left: float) -> None:
    """The wait is shorter by the time that has passed, whether the gate was advanced or not."""
    gate = after(steps)
    assert wait(gate, later(seconds)) == left
    assert wait(advance(gate, later(seconds)), later(seconds)) == left


def test_an_open_breaker_lets_one_probe_go() -> None:
    """None may be in flight while it is open, one once its time is over, then two, four, eight."""
    gate = after((fails, fails))
    assert gate.breaker.most == 0
    gate = advance(gate, later(30))
    assert (gate.breaker.state, gate.breaker.most) == (BreakerState.HALF_OPEN, 1)
    most = []
    for _ in range(3):
        gate = succeeds(gate, later(30))
        most.append(gate.breaker.most)
    assert most == [2, 4, 8]


histories = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 80).map(lambda n: n / 2)), max_size=60
)


def lived(history: list[tuple[Step, float]]) -> tuple[Gate, Steady]:
    """Return the gate after a history of steps, each so many seconds after the one before."""
    gate, now = FREE, START
    for step, gap in history:
        now = Steady(now + gap)
        gate = step(gate, now)
    return gate, now


@given(histories)
def test_a_gate_opens_after_its_wait(history: list[tuple[Step, float]]) -> None:
    """A wait is over when it said, never sooner; only a pause or a stop has no end."""
    gate, now = lived(history)
    seconds = wait(gate, now)
    assert (seconds == math.inf) is (gate.paused or gate.stopping)
    if 0 < seconds < math.inf:
        assert wait(gate, Steady(now + seconds - 0.25)) > 0
        assert wait(gate, Steady(now + seconds)) == 0


@given(histories)
def test_a_gate_with_nothing_to_wait_for_is_the_free_one(
    history: list[tuple[Step, float]],
) -> None:
    """The one object itself, so that a lane need not ask; and the free one is never shut."""
    gate, now = lived(history)
    assert (gate is FREE) is (gate == FREE)
    assert wait(FREE, now) == 0


@given(histories)
def test_every_gate_can_come_back(history: list[tuple[Step, float]]) -> None:
    """Resumed, without a rate, and not stopped, it is free, however the target has failed."""
    gate, _ = lived([(step, gap) for step, gap in history if step is not stops])
    assert limit(resume(gate), None) is FREE
