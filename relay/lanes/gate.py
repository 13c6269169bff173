"""When a lane may begin an attempt: not while its target is down, throttled, paused or at its rate.

    an attempt begins --------> count_attempt  (against the rate)
    an attempt ends ----------> end_attempt    (the breaker's step)
    the target asks to wait --> hold           (Retry-After: the whole target waits)
    410, or an operator ------> pause
    an operator --------------> resume         (at once: the operator knows that the target is back)
    the relay stops ----------> stop           (for good)
    a reload -----------------> limit          (another rate, or none)
    time passes --------------> advance        (an open breaker becomes half-open, a hold ends)

Pure: a gate is a frozen value, and `wait` says how long it is shut. A gate with nothing to wait
for is always the one object FREE: a lane asks several times an event, and need neither read the
clock nor call anything here while its gate `is FREE` (tests/integration/deliver/test_costs.py).
"""

import math
from dataclasses import dataclass, replace

from relay.clock import Steady
from relay.delivery.breaker import CLOSED, Breaker, BreakerPolicy, BreakerState, admit, after
from relay.delivery.rate import Rate, book, delay
from relay.errors import DeliveryReason

_PAST = Steady(0.0)


@dataclass(frozen=True, slots=True)
class Gate:
    """All that decides when a lane's next attempt may begin.

    `rate_due` is the state of `rate`; until `hold_until` the target asked to be left alone (0: it
    did not ask). How many attempts may be in flight is the breaker's `most`.
    """

    breaker: Breaker = CLOSED
    rate: Rate | None = None
    rate_due: Steady = _PAST
    hold_until: Steady = _PAST
    paused: bool = False
    stopping: bool = False


FREE = Gate()


def wait(gate: Gate, now: Steady) -> float:
    """Return the seconds until an attempt may begin: 0 at once, infinity if time alone won't do."""
    if gate.paused or gate.stopping:
        return math.inf
    breaker = admit(gate.breaker, now)
    shut_until = breaker.until if breaker.state is BreakerState.OPEN else _PAST
    seconds = max(gate.hold_until, shut_until) - now
    if gate.rate is not None:
        seconds = max(seconds, delay(gate.rate, gate.rate_due, now))
    return max(seconds, 0.0)


def advance(gate: Gate, now: Steady) -> Gate:
    """Return the gate without what is over by `now`."""
    breaker = admit(gate.breaker, now)
    hold_until = gate.hold_until if gate.hold_until > now else _PAST
    if breaker is gate.breaker and hold_until == gate.hold_until:
        return gate
    return _plain(replace(gate, breaker=breaker, hold_until=hold_until))


def count_attempt(gate: Gate, now: Steady) -> Gate:
    """Return the gate once an attempt has begun."""
    if gate.rate is None:
        return gate
    due, _ = book(gate.rate, gate.rate_due, now)
    return replace(gate, rate_due=due)


def end_attempt(
    gate: Gate, reason: DeliveryReason | None, policy: BreakerPolicy, now: Steady
) -> Gate:
    """Return the gate once an attempt has ended with `reason` (None: delivered)."""
    breaker = after(gate.breaker, reason, policy, now)
    return gate if breaker is gate.breaker else _plain(replace(gate, breaker=breaker))


def hold(gate: Gate, until: Steady) -> Gate:
    """Return the gate once the target has asked to be left alone; an earlier hold is not cut."""
    return gate if until <= gate.hold_until else replace(gate, hold_until=until)


def pause(gate: Gate) -> Gate:
    """Return the gate that stays shut until `resume`."""
    return replace(gate, paused=True)


def resume(gate: Gate) -> Gate:
    """Return the gate without its pause, hold and breaker; the rate still counts."""
    return _plain(replace(gate, paused=False, hold_until=_PAST, breaker=CLOSED))


def stop(gate: Gate) -> Gate:
    """Return the gate that stays shut whatever happens."""
    return replace(gate, stopping=True)


def limit(gate: Gate, rate: Rate | None) -> Gate:
    """Return the gate with another rate; earlier attempts count against it if there was a rate."""
    return _plain(replace(gate, rate=rate, rate_due=_PAST if rate is None else gate.rate_due))


def _plain(gate: Gate) -> Gate:
    """Return FREE for a gate that equals it."""
    return FREE if gate == FREE else gate
