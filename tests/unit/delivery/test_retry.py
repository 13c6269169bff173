"""When to try again: tables for the known waits, properties for all the others."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.clock import Wall
from relay.delivery.retry import (
    RETRY_AFTER_CAP,
    RetryPolicy,
    by_schedule,
    exponential,
    next_wait,
    retry_after,
)

DAY = 86400.0
NOW = Wall(1_700_000_000.0)
SCHEDULE = (5.0, 60.0, 300.0)
CHANCES = st.floats(0, 1, exclude_max=True)
WAITS = st.lists(st.floats(0, 1e7), min_size=1, max_size=20).map(tuple)
POLICIES = st.builds(
    by_schedule, WAITS, st.floats(0, 1, exclude_max=True), st.floats(0, 1e9)
) | st.builds(
    exponential,
    st.floats(0.001, 3600),
    st.floats(1, 100),
    st.floats(0.001, 1e7),
    st.integers(1, 1000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1e9),
)


@pytest.mark.parametrize(
    ("attempts", "expected"), [(1, 5.0), (2, 60.0), (3, 300.0), (4, None), (1000, None)]
)
def test_schedule_is_walked_in_turn(attempts: int, expected: float | None) -> None:
    """After attempt n comes the nth wait; one attempt more than there are waits, then the end."""
    assert next_wait(by_schedule(SCHEDULE, 0.0, 3 * DAY), attempts, 0.0, 0.5) == expected


def test_empty_schedule_is_a_single_attempt() -> None:
    """Without waits, the first failure is the end."""
    assert next_wait(by_schedule((), 0.0, DAY), 1, 0.0, 0.5) is None


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [(1, 5.0), (2, 15.0), (3, 45.0), (4, 135.0), (7, 3645.0), (8, 3700.0), (9, 3700.0), (10, None)],
)
def test_exponential_grows_to_its_longest(attempts: int, expected: float | None) -> None:
    """Waits are initial, initial x factor, …, at most the longest, for the number of attempts."""
    assert (
        next_wait(exponential(5.0, 3.0, 3700.0, 10, 0.0, 30 * DAY), attempts, 0.0, 0.5) == expected
    )


def test_factor_one_is_a_constant_wait() -> None:
    """With a factor of one, every wait is the first."""
    policy = exponential(7.0, 1.0, 100.0, 50, 0.0, DAY)
    assert {next_wait(policy, n, 0.0, 0.5) for n in range(1, 50)} == {7.0}


@pytest.mark.parametrize("attempts", [1000, 10**6, 10**18])
def test_huge_attempts_do_not_overflow(attempts: int) -> None:
    """A power that no double can hold is the longest wait, not an exception."""
    policy = exponential(5.0, 100.0, 36000.0, 10**20, 0.0, 1e12)
    assert next_wait(policy, attempts, 0.0, 0.5) == 36000.0


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.0, 80.0), (0.25, 90.0), (0.5, 100.0), (0.75, 110.0)]
)
def test_jitter_stretches_and_shrinks_alike(chance: float, expected: float) -> None:
    """A chance of one half changes nothing; the ends are the share that the jitter names."""
    assert next_wait(by_schedule((100.0,), 0.2, DAY), 1, 0.0, chance) == pytest.approx(expected)


@given(wait=st.floats(0, 1e7), jitter=st.floats(0, 1, exclude_max=True), chance=CHANCES)
def test_jitter_stays_in_its_bounds(wait: float, jitter: float, chance: float) -> None:
    """No wait is off by more than the share, whatever the chance."""
    seconds = next_wait(by_schedule((wait,), jitter, 1e9), 1, 0.0, chance)
    assert seconds is not None
    assert wait * (1 - jitter) * (1 - 1e-9) <= seconds <= wait * (1 + jitter) * (1 + 1e-9)


@given(policy=POLICIES, attempts=st.integers(1, 10**9), age=st.floats(0, 1e12), chance=CHANCES)
@example(exponential(3600, 100, 1e7, 1000, 0.99, 1e9), 999, 0.0, 0.999)
def test_wait_is_finite_and_never_negative(
    policy: RetryPolicy, attempts: int, age: float, chance: float
) -> None:
    """A wait is a number from 0 on, or there is none."""
    wait = next_wait(policy, attempts, age, chance)
    assert wait is None or (math.isfinite(wait) and wait >= 0)


@given(policy=POLICIES, chance=CHANCES)
def test_budget_is_finite(policy: RetryPolicy, chance: float) -> None:
    """Whatever the policy, attempts end."""
    attempts = 1
    while next_wait(policy, attempts, 0.0, chance) is not None:
        attempts += 1
        assert attempts <= 1001


@given(
    policy=POLICIES, attempts=st.integers(1, 2000), age=st.floats(0, 1e12), later=st.floats(0, 1e12)
)
def test_used_up_stays_used_up(
    policy: RetryPolicy, attempts: int, age: float, later: float
) -> None:
    """A budget that is used up is not there again after more time."""
    if next_wait(policy, attempts, age, 0.5) is None:
        assert next_wait(policy, attempts, age + later, 0.5) is None


@pytest.mark.parametrize(
    ("age", "ends"), [(0.0, False), (94.0, False), (95.0, True), (100.0, True), (1e9, True)]
)
def test_max_age_ends_the_budget(age: float, *, ends: bool) -> None:
    """A retry that would come after `max_age` seconds is not made: the first wait is five."""
    assert (next_wait(by_schedule(SCHEDULE, 0.0, 100.0), 1, age, 0.5) is None) is ends


def test_clock_that_went_back_costs_no_budget() -> None:
    """A negative age, after the clock was set back, is young."""
    assert next_wait(by_schedule(SCHEDULE, 0.0, 100.0), 1, -3600.0, 0.5) == 5.0


def date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("3601", RETRY_AFTER_CAP),
        ("999999999", RETRY_AFTER_CAP),
        ("9" * 30, RETRY_AFTER_CAP),
        ("9" * 5000, RETRY_AFTER_CAP),
        (date(90), 90.0),
        (date(0), 0.0),
        (date(-90), 0.0),
        (date(10 * DAY), RETRY_AFTER_CAP),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("Tue, 14 Nov 2023 22:14:50 +0000", 90.0),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e20", None),
        ("1e3", None),
        ("", None),
        ("  ", None),
        ("soon", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("5, 10", None),
        ("NaN", None),
        ("inf", None),
        ("Tue, 99 Nov 2023 22:14:50 GMT", None),
        ("Tue, 14 Nov 2023 99:14:50 GMT", None),
        ("Tue, 14 Nov 99999999999999999999 22:14:50 GMT", None),
        ("\udcff", None),
        ("\0", None),
    ],
    ids=ascii,
)
def test_retry_after_table(value: str, expected: float | None) -> None:
    """Seconds or a date (RFC 9110 §10.2.3): past is now, long is the cap, junk is None."""
    assert retry_after(value, NOW) == expected


@given(
    value=st.text(max_size=40)
    | st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
def test_any_retry_after_is_a_bounded_wait_or_none(value: str) -> None:
    """Whatever a target sends, the wait lies between 0 and the cap, or there is none."""
    wait = retry_after(value, NOW)
    assert wait is None or 0 <= wait <= RETRY_AFTER_CAP


@given(
    day=st.integers(-5, 40),
    year=st.integers(-1, 10**12),
    hour=st.integers(-1, 99),
    zone=st.integers(-99999, 99999),
)
def test_any_date_is_a_bounded_wait_or_none(day: int, year: int, hour: int, zone: int) -> None:
    """Dates that no calendar has are junk, never an exception."""
    wait = retry_after(f"Tue, {day} Nov {year} {hour}:14:50 {zone:+05d}", NOW)
    assert wait is None or 0 <= wait <= RETRY_AFTER_CAP
