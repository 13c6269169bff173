"""When to try again: tenacity states the wait and stop strategies, evaluated for one (attempt, age).

Nothing here waits. The lane stores the due time, so that a schedule outlives a crash.
"""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

RETRY_AFTER_CAP = 3600.0  # seconds; a target that asks for more is asked again after this


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait before the next attempt, and when to stop.

    `jitter` is the share by which a wait is stretched or shrunk at most. `max_age` is in seconds since the
    budget began.
    """

    wait: wait_base
    stop: stop_base
    jitter: float
    max_age: float


def by_schedule(waits: tuple[float, ...], jitter: float, max_age: float) -> RetryPolicy:
    """Return the policy that waits `waits` seconds in turn: one attempt more than there are waits."""
    chain = tenacity.wait_chain(*map(tenacity.wait_fixed, waits)) if waits else tenacity.wait_none()
    stop = tenacity.stop_after_attempt(len(waits) + 1) | tenacity.stop_before_delay(max_age)
    return RetryPolicy(chain, stop, jitter, max_age)


def exponential(
    initial: float, factor: float, longest: float, attempts: int, jitter: float, max_age: float
) -> RetryPolicy:
    """Return the policy that waits `initial`, `initial * factor`, … seconds, at most `longest`."""
    wait = tenacity.wait_exponential(multiplier=initial, exp_base=factor, max=longest)
    stop = tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(max_age)
    return RetryPolicy(wait, stop, jitter, max_age)


def next_wait(
    policy: RetryPolicy, attempts: int, age: float, chance: float, at_least: float = 0.0
) -> float | None:
    """Return the seconds until the next attempt, or None if the budget is used up, or would be by then.

    `attempts` were made so far, the last one failed; `age` is in seconds since the budget began; `chance`,
    in [0, 1), decides the jitter; `at_least` is what the target asked for, in seconds.
    """
    state = tenacity.RetryCallState(_NO_RETRYING, None, (), {})
    state.attempt_number = attempts
    # From zero, not from the clock: the age must come back as it is, to the last bit.
    state.start_time, state.outcome_timestamp = 0.0, age
    wait = max(policy.wait(state) * (1 + policy.jitter * (2 * chance - 1)), at_least)
    state.upcoming_sleep = wait
    return None if policy.stop(state) else wait


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110 §10.2.3), or None if it says nothing.

    Seconds are ASCII digits; a date in the past is 0; more than the cap is the cap.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return RETRY_AFTER_CAP if len(text) > 9 else min(float(text), RETRY_AFTER_CAP)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(date.timestamp() - now, 0.0), RETRY_AFTER_CAP)


_NO_RETRYING: Any = None  # the strategies read the numbers alone
