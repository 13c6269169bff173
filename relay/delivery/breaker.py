"""When to leave a failing target alone, and how to come back: closed, open, half-open, a ramp.

    closed    -- `failures` attempts in a row fail --> open for `cool_off`
    open      -- the time is over -----------------> half-open: one probe
    half-open -- the probe fails ------------------> open, twice as long, at most `max_cool_off`
    half-open -- the probe succeeds ---------------> closed, on a ramp: 2, 4, 8, … in flight

An open breaker costs no attempt: deliveries wait. A failure that shows the target alive (4xx) does
not count against it. Pure: a breaker is a frozen value; the caller reads the clock.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from relay.clock import Steady
from relay.errors import DeliveryReason

_DOWN = frozenset(
    {
        DeliveryReason.UNAVAILABLE,
        DeliveryReason.TIMEOUT,
        DeliveryReason.CONNECTION,
        DeliveryReason.TLS,
        DeliveryReason.DNS,
    }
)
_NO_LIMIT = 1 << 30
_PAST = Steady(0.0)


class BreakerState(IntEnum):
    """The value of `relay_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Open after `failures` in a row, for `cool_off` seconds, in the end for `max_cool_off`."""

    failures: int = 5
    cool_off: float = 30.0
    max_cool_off: float = 600.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """A target's breaker; `most` attempts may be in flight.

    `failures` were in a row while it was closed. It was opened last for `cool_off` seconds, and
    lets a probe go at `until`.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    cool_off: float = 0.0
    until: Steady = _PAST
    most: int = _NO_LIMIT


def admit(breaker: Breaker, now: Steady) -> Breaker:
    """Return the breaker as it stands at `now`: an open one whose time is over is half-open."""
    if breaker.state is BreakerState.OPEN and now >= breaker.until:
        return replace(breaker, state=BreakerState.HALF_OPEN, most=1)
    return breaker


def after(
    breaker: Breaker, reason: DeliveryReason | None, policy: BreakerPolicy, now: Steady
) -> Breaker:
    """Return the breaker after an attempt that ended with `reason` (None: delivered)."""
    if reason not in _DOWN:
        return _after_life(breaker)
    match breaker.state:
        case BreakerState.OPEN:
            return breaker  # the attempt was in flight when the breaker opened
        case BreakerState.HALF_OPEN:
            return _open(breaker, min(breaker.cool_off * 2, policy.max_cool_off), now)
        case BreakerState.CLOSED:
            failures = breaker.failures + 1
            if failures >= policy.failures:
                return _open(breaker, min(policy.cool_off, policy.max_cool_off), now)
            return replace(breaker, failures=failures)


def _after_life(breaker: Breaker) -> Breaker:
    """Return the breaker after the target has shown itself alive."""
    most = 2 if breaker.state is BreakerState.OPEN else breaker.most * 2
    # One and the same object again once the ramp is over: the lane's quick check is for it.
    return replace(CLOSED, most=most) if most < _NO_LIMIT else CLOSED


def _open(breaker: Breaker, cool_off: float, now: Steady) -> Breaker:
    return replace(
        breaker,
        state=BreakerState.OPEN,
        failures=0,
        cool_off=cool_off,
        until=Steady(now + cool_off),
        most=0,
    )


CLOSED = Breaker()
DEFAULT_BREAKER = BreakerPolicy()
