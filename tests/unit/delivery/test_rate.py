"""Rates hold over any window, and let a second's worth go at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.rate import Rate, take, wait


def test_a_second_worth_goes_at_once_then_evenly() -> None:
    rate, due = Rate(10, 1), 0.0
    waits = []
    for _ in range(12):
        due, seconds = take(rate, due, 100.0)
        waits.append(round(seconds, 6))
    assert waits == [0.0] * 10 + [0.1, 0.2]


def test_slow_rates_let_one_go_at_once() -> None:
    rate = Rate(1, 60)
    due, first = take(rate, 0.0, 100.0)
    _, second = take(rate, due, 100.0)
    assert (first, second) == (0.0, 60.0)


@pytest.mark.parametrize("now", [100.0, 159.0, 161.0])
def test_asking_is_not_taking(now: float) -> None:
    rate = Rate(1, 60)
    due, _ = take(rate, 0.0, 100.0)
    assert wait(rate, due, now) == take(rate, due, now)[1] == max(160.0 - now, 0.0)


@given(
    count=st.integers(1, 500),
    gaps=st.lists(st.floats(0, 0.5, allow_nan=False), min_size=1, max_size=200),
)
def test_no_window_sees_more_than_the_rate_and_one_burst(count: int, gaps: list[float]) -> None:
    rate, due, now = Rate(count, 1), 0.0, 1000.0
    gone = []
    for gap in gaps:
        now += gap
        if wait(rate, due, now) == 0.0:
            due, _ = take(rate, due, now)
            gone.append(now)
    for start, at in enumerate(gone):
        within = sum(at <= other <= at + 1.0 for other in gone[start:])
        assert within <= 2 * count + 1
