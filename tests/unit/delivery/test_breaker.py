"""A breaker opens on a target that is down, probes it once, and comes back on a ramp."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Steady
from relay.delivery.breaker import CLOSED, Breaker, BreakerPolicy, BreakerState, admit, after
from relay.errors import DeliveryReason

POLICY = BreakerPolicy(failures=3, cool_off=30.0, max_cool_off=100.0)
START = Steady(1_000_000.0)
DOWN = (
    DeliveryReason.UNAVAILABLE,
    DeliveryReason.TIMEOUT,
    DeliveryReason.CONNECTION,
    DeliveryReason.TLS,
    DeliveryReason.DNS,
)


def later(seconds: float) -> Steady:
    return Steady(START + seconds)


def failing(breaker: Breaker, times: int, now: Steady = START) -> Breaker:
    for _ in range(times):
        breaker = after(breaker, DeliveryReason.TIMEOUT, POLICY, now)
    return breaker


@pytest.mark.parametrize("reason", DOWN)
def test_opens_after_failures_in_a_row(reason: DeliveryReason) -> None:
    """Each reason of a target that is down counts; the third in a row opens the breaker."""
    breaker = failing(CLOSED, 2)
    assert breaker.state is BreakerState.CLOSED
    breaker = after(breaker, reason, POLICY, later(10))
    assert (breaker.state, breaker.until, breaker.most) == (BreakerState.OPEN, later(40), 0)


@pytest.mark.parametrize("reason", [None, *(set(DeliveryReason) - set(DOWN))])
def test_a_target_that_shows_life_does_not_count(reason: DeliveryReason | None) -> None:
    """Any answer that is not a 5xx ends the row of failures: the breaker is CLOSED again."""
    assert after(failing(CLOSED, 2), reason, POLICY, START) is CLOSED


def test_lets_one_probe_go_when_the_time_is_over() -> None:
    """Not a moment before, and one alone."""
    breaker = failing(CLOSED, 3)
    assert admit(breaker, later(29.9)) == breaker
    probing = admit(breaker, later(30))
    assert (probing.state, probing.most) == (BreakerState.HALF_OPEN, 1)


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_most() -> None:
    """30, 60, 100, 100 seconds."""
    breaker, now, waits = failing(CLOSED, 3), START, []
    for _ in range(4):
        waits.append(breaker.until - now)
        now = breaker.until
        breaker = after(admit(breaker, now), DeliveryReason.CONNECTION, POLICY, now)
    assert waits == [30.0, 60.0, 100.0, 100.0]


def test_a_good_probe_closes_it_on_a_ramp() -> None:
    """2, 4, 8, 16 in flight, twice as many with each success; in the end CLOSED itself again."""
    breaker = after(admit(failing(CLOSED, 3), later(30)), None, POLICY, later(30))
    assert breaker.state is BreakerState.CLOSED
    most = [breaker.most]
    for _ in range(3):
        breaker = after(breaker, None, POLICY, later(31))
        most.append(breaker.most)
    assert most == [2, 4, 8, 16]
    for _ in range(30):
        breaker = after(breaker, None, POLICY, later(32))
    assert breaker is CLOSED


def test_failures_in_flight_when_it_opened_do_not_prolong_it() -> None:
    """They began before, and say nothing new."""
    breaker = failing(CLOSED, 3)
    assert failing(breaker, 10, later(20)) == breaker


@given(
    st.lists(st.tuples(st.sampled_from([None, *DeliveryReason]), st.floats(0, 50)), max_size=200)
)
def test_never_waits_longer_than_the_most_and_always_comes_back(
    steps: list[tuple[DeliveryReason | None, float]],
) -> None:
    """Whatever happens, within `max_cool_off` an attempt may go."""
    breaker, now = CLOSED, START
    for reason, gap in steps:
        now = Steady(now + gap)
        breaker = admit(breaker, now)
        if breaker.most > 0:
            breaker = after(breaker, reason, POLICY, now)
        assert breaker.until <= now + POLICY.max_cool_off
        assert admit(breaker, max(now, breaker.until)).most > 0
