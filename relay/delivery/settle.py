"""Every rule of a delivery's life.

A delivery is pending until a lane claims it. A claimed delivery is attempted, and the attempt is settled:

    claimed --2xx---------------------------> delivered
    claimed --fails, budget left------------> pending, due later         (a retry: costs an attempt)
    claimed --target asks to wait-----------> pending, due later         (a retry; the whole target waits)
    claimed --fails, budget used up---------> dead, with the last reason
    claimed --410, blocked, a status of give_up_on, transform raised---> dead at once
    claimed --transform returned None-------> dropped
    claimed --the process ends before the attempt did------------------> pending (costs nothing)
    claimed --older than max_age------------> dead: expired
    delivered, dead, dropped --replay-------> pending with a fresh budget

What a response means is one table, `classify`; what follows from it is one function, `settle`.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from relay.delivery.retry import RetryPolicy, next_wait
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState


class Verdict(StrEnum):
    """What an attempt led to; the `outcome` of `relay_attempts_total`."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    DROPPED = "dropped"


class Attempt(NamedTuple):
    """What one attempt met: a status, or a reason why there was none.

    `at` is when it began, `duration` how long it took, both in seconds; `retry_after` is what the target
    asked for, in seconds. `detail` is for people.
    """

    at: float
    duration: float
    status: int = 0
    reason: DeliveryReason | None = None
    detail: str = ""
    retry_after: float | None = None


class Settlement(NamedTuple):
    """What is recorded of a delivery after an attempt, and what its target does.

    `due` is when it is tried again, `hold_until` until when its whole target waits (0: not at all), both in
    seconds since the epoch; `pause` says that the target wants no more at all.
    """

    verdict: Verdict
    state: DeliveryState
    attempts: int
    due: float = 0.0
    reason: DeliveryReason | None = None
    hold_until: float = 0.0
    pause: bool = False


_FINAL = frozenset(
    {
        DeliveryReason.GONE,
        DeliveryReason.BLOCKED,
        DeliveryReason.TRANSFORM_FAILED,
        DeliveryReason.TARGET_REMOVED,
    }
)
_WAIT = frozenset({429, 503})
_GONE = 410


def classify(status: int) -> DeliveryReason | None:
    """Return why a response of this status is no delivery, or None if it is one."""
    if 200 <= status < 300:
        return None
    if status == _GONE:
        return DeliveryReason.GONE
    if status == 429:
        return DeliveryReason.THROTTLED
    if 300 <= status < 400:
        return DeliveryReason.REDIRECTED
    if 400 <= status < 500:
        return DeliveryReason.REFUSED
    return DeliveryReason.UNAVAILABLE


def settle(
    delivery: Delivery,
    attempt: Attempt,
    policy: RetryPolicy,
    *,
    give_up_on: Collection[int],
    now: float,
    chance: float,
) -> Settlement:
    """Decide what follows from an attempt; `chance`, in [0, 1), decides the retry's jitter."""
    attempts = delivery.attempts + 1
    reason = attempt.reason or classify(attempt.status)
    if reason is None:
        return Settlement(Verdict.DELIVERED, DeliveryState.DELIVERED, attempts)
    asked = attempt.retry_after if attempt.status in _WAIT else None
    hold_until = now + asked if asked is not None else 0.0
    if reason in _FINAL or attempt.status in give_up_on:
        return Settlement(
            Verdict.DEAD,
            DeliveryState.DEAD,
            attempts,
            reason=reason,
            hold_until=hold_until,
            pause=reason is DeliveryReason.GONE,
        )
    wait = next_wait(policy, attempts, now - delivery.since, chance, asked or 0.0)
    if wait is None:
        return Settlement(
            Verdict.DEAD, DeliveryState.DEAD, attempts, reason=reason, hold_until=hold_until
        )
    return Settlement(
        Verdict.RETRY, DeliveryState.PENDING, attempts, now + wait, reason, hold_until
    )


def expire(delivery: Delivery, policy: RetryPolicy, now: float) -> Settlement | None:
    """Return the end of a delivery that waited longer than `max_age` for its next attempt, else None."""
    if now - delivery.since <= policy.max_age:
        return None
    return Settlement(
        Verdict.DEAD, DeliveryState.DEAD, delivery.attempts, reason=DeliveryReason.EXPIRED
    )


def drop(delivery: Delivery) -> Settlement:
    """End a delivery whose transform returned None."""
    return Settlement(Verdict.DROPPED, DeliveryState.DROPPED, delivery.attempts)


def fail(delivery: Delivery, reason: DeliveryReason) -> Settlement:
    """End a delivery that cannot be attempted."""
    return Settlement(Verdict.DEAD, DeliveryState.DEAD, delivery.attempts, reason=reason)
