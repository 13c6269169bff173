"""Room and rate: which request is refused, and why."""

import pytest

from relay.clock import Steady
from relay.delivery.rate import Rate
from relay.errors import Rejected, RequestReason
from relay.public.admission import RETRY_AFTER, Load, RouteRates, ServerLimits, check_room

LIMITS = ServerLimits(waiting=10, pending=100, requests=5, body_timeout=1.0)


@pytest.mark.parametrize("load", [Load(0, 0, 0), Load(5, 9, 99)])
def test_there_is_room_below_the_limits(load: Load) -> None:
    """The request itself counts among those that are open."""
    check_room(load, LIMITS)


@pytest.mark.parametrize(
    ("load", "reason", "detail"),
    [
        (Load(6, 0, 0), RequestReason.OVERLOADED, "too many requests are open"),
        (Load(1, 10, 0), RequestReason.BACKLOG_FULL, "too many events wait to be stored"),
        (Load(1, 0, 100), RequestReason.BACKLOG_FULL, "too many events wait to be delivered"),
        (
            Load(1, 0, 0, disk_full=True),
            RequestReason.BACKLOG_FULL,
            "too many events wait to be delivered",
        ),
        (Load(1, 0, 0, draining=True), RequestReason.DRAINING, "the relay is stopping"),
        (
            Load(6, 10, 100, draining=True, disk_full=True),
            RequestReason.DRAINING,
            "the relay is stopping",
        ),
    ],
)
def test_request_without_room_is_refused(load: Load, reason: RequestReason, detail: str) -> None:
    """Each limit has its reason; a relay that stops says so first."""
    with pytest.raises(Rejected) as error:
        check_room(load, LIMITS)
    assert (error.value.reason, error.value.detail) == (reason, detail)
    assert error.value.retry_after == RETRY_AFTER


def test_request_beyond_the_rate_is_refused_until_its_turn() -> None:
    """Two a second: the third at once waits for its turn, and is not counted itself."""
    rates, rate = RouteRates(), Rate(2, 1.0)
    for _ in range(2):
        rates.count("in", rate, Steady(100.0))
    for _ in range(3):
        with pytest.raises(Rejected) as error:
            rates.count("in", rate, Steady(100.0))
        assert error.value.reason is RequestReason.RATE_LIMITED
        assert error.value.retry_after == 1
    rates.count("in", rate, Steady(100.5))


def test_routes_have_rates_of_their_own() -> None:
    """A busy route uses up nothing of another."""
    rates, rate = RouteRates(), Rate(1, 3600.0)
    rates.count("one", rate, Steady(0.0))
    rates.count("other", rate, Steady(0.0))
    with pytest.raises(Rejected):
        rates.count("one", rate, Steady(1.0))
