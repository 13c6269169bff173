"""Rates hold over any window, and let a second's worth go at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Steady
from relay.delivery.rate import Rate, book, delay

NEVER = Steady(0.0)  # due before anything went
START = Steady(100.0)


def test_a_seconds_worth_goes_at_once_then_evenly() -> None:
    """Ten a second: ten at once, then one each tenth of a second."""
    rate, due = Rate(10, 1), NEVER
    delays = []
    for _ in range(12):
        due, seconds = book(rate, due, START)
        delays.append(round(seconds, 6))
    assert delays == [0.0] * 10 + [0.1, 0.2]


def test_slow_rates_let_one_go_at_once() -> None:
    """One a minute: the first at once, the second a minute later."""
    rate = Rate(1, 60)
    due, first = book(rate, NEVER, START)
    _, second = book(rate, due, START)
    assert (first, second) == (0.0, 60.0)


@pytest.mark.parametrize("now", [100.0, 159.0, 161.0])
def test_asking_counts_nothing(now: float) -> None:
    """`delay` says what `book` would, any number of times."""
    rate = Rate(1, 60)
    due, _ = book(rate, NEVER, START)
    seconds = delay(rate, due, Steady(now))
    assert seconds == max(160.0 - now, 0.0)
    assert seconds == book(rate, due, Steady(now))[1]


@given(
    count=st.integers(1, 500),
    gaps=st.lists(st.floats(0, 0.5, allow_nan=False), min_size=1, max_size=200),
)
def test_no_window_sees_more_than_the_rate_and_one_burst(count: int, gaps: list[float]) -> None:
    """Whenever they come, in any second at most twice the rate and one more go."""
    rate, due, now = Rate(count, 1), NEVER, Steady(1000.0)
    passed = []
    for gap in gaps:
        now = Steady(now + gap)
        if delay(rate, due, now) == 0.0:
            due, _ = book(rate, due, now)
            passed.append(now)
    for start, at in enumerate(passed):
        within = sum(at <= other <= at + 1.0 for other in passed[start:])
        assert within <= 2 * count + 1
