"""When to try again: tenacity states the strategies, evaluated here for one (attempt, age).

Nothing here waits: the lane stores when a delivery is due, so that a schedule outlives a crash.
"""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from relay.clock import Wall

RETRY_AFTER_CAP = 3600.0  # seconds; a target that asks for more is tried again after this


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait before a delivery's next attempt, and when to stop.

    `wait` gives seconds for a number of attempts, `stop` says when there were enough. Of a wait at
    most the share `jitter`, from 0 to 1, is added or taken away. A delivery older than `max_age`
    seconds, counted from when its budget began, is not tried again.
    """

    wait: wait_base
    stop: stop_base
    jitter: float
    max_age: float


def by_schedule(waits: tuple[float, ...], jitter: float, max_age: float) -> RetryPolicy:
    """Return the policy of the waits in turn, in seconds: one attempt more than there are waits.

    `jitter` and `max_age` (seconds) are the policy's.
    """
    chain = tenacity.wait_chain(*map(tenacity.wait_fixed, waits)) if waits else tenacity.wait_none()
    stop = tenacity.stop_after_attempt(len(waits) + 1) | tenacity.stop_before_delay(max_age)
    return RetryPolicy(chain, stop, jitter, max_age)


def exponential(
    initial: float, factor: float, longest: float, attempts: int, jitter: float, max_age: float
) -> RetryPolicy:
    """Return the policy that waits `initial`, `initial * factor`, … seconds, at most `longest`.

    `attempts` are made at most; `jitter` and `max_age` (seconds) are the policy's.
    """
    wait = tenacity.wait_exponential(multiplier=initial, exp_base=factor, max=longest)
    stop = tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(max_age)
    return RetryPolicy(wait, stop, jitter, max_age)


def next_wait(
    policy: RetryPolicy, attempts: int, age: float, chance: float, at_least: float = 0.0
) -> float | None:
    """Return the seconds until the next attempt; None if the budget is used up, or is by then.

    `attempts` were made so far, and the last one failed; the budget began `age` seconds ago;
    `chance`, in [0, 1), decides the jitter; the target asked for `at_least` seconds.
    """
    state = tenacity.RetryCallState(_NO_RETRYING, None, (), {})
    state.attempt_number = attempts
    # From zero, not from the clock: the age must come back as it is, to the last bit.
    state.start_time, state.outcome_timestamp = 0.0, age
    wait = max(policy.wait(state) * (1 + policy.jitter * (2 * chance - 1)), at_least)
    state.upcoming_sleep = wait
    return None if policy.stop(state) else wait


def retry_after(value: str, now: Wall) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None if it cannot be read.

    RFC 9110 §10.2.3: ASCII digits, or a date, which is compared with `now`. A date in the past is
    0; more than the cap is the cap.
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
