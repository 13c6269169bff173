"""Every rule of a delivery's life.

A delivery is pending until a lane claims it. A claimed delivery is attempted, and the attempt is
settled:

    claimed --2xx---------------------------> delivered
    claimed --fails, budget left------------> pending, due later   (costs an attempt)
    claimed --target asks to wait-----------> pending, due later   (so does the whole target)
    claimed --fails, budget used up---------> dead, with the last reason
    claimed --410, blocked, a status of give_up_on, transform raised---> dead at once
    claimed --transform returned None-------> dropped
    claimed --the process ends before the attempt did------------------> pending (costs nothing)
    claimed --older than max_age------------> dead: expired
    delivered, dead, dropped --replay-------> pending with a fresh budget

The meaning of a response is one table, `classify`; what follows from it is one function, `settle`.
Pure: the lane makes the attempt, and reads the clock.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from relay.clock import Steady, Wall
from relay.delivery.retry import RetryPolicy, next_wait
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState


class Verdict(StrEnum):
    """The fate of a delivery after an attempt; the `outcome` of `relay_attempts_total`."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    DROPPED = "dropped"


class Attempt(NamedTuple):
    """One try of a delivery: the status that answered it, or the reason why none did.

    It began at `at` and took `duration` seconds; the target asked not to be tried again for
    `retry_after` seconds. `detail` is for people.
    """

    at: Wall
    duration: float
    status: int = 0
    reason: DeliveryReason | None = None
    detail: str = ""
    retry_after: float | None = None


class Settlement(NamedTuple):
    """A delivery's state after an attempt, as the store records it, and its target's.

    The delivery is tried again at `due` (0: it is not). The whole target is left alone until
    `hold_until` (0: it is not), or paused for good: it wants no more at all.
    """

    verdict: Verdict
    state: DeliveryState
    attempts: int
    due: Steady = Steady(0.0)
    reason: DeliveryReason | None = None
    hold_until: Steady = Steady(0.0)
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
    now: Steady,
    chance: float,
) -> Settlement:
    """Decide what follows from an attempt that ended `now`.

    A status of `give_up_on` makes the delivery dead at once; `chance`, in [0, 1), decides the
    retry's jitter.
    """
    attempts = delivery.attempts + 1
    reason = attempt.reason or classify(attempt.status)
    if reason is None:
        return Settlement(Verdict.DELIVERED, DeliveryState.DELIVERED, attempts)
    rest = attempt.retry_after if attempt.status in _WAIT else None
    hold_until = Steady(0.0 if rest is None else now + rest)
    if reason in _FINAL or attempt.status in give_up_on:
        return Settlement(
            Verdict.DEAD,
            DeliveryState.DEAD,
            attempts,
            reason=reason,
            hold_until=hold_until,
            pause=reason is DeliveryReason.GONE,
        )
    wait = next_wait(policy, attempts, now - delivery.since, chance, rest or 0.0)
    if wait is None:
        return Settlement(
            Verdict.DEAD, DeliveryState.DEAD, attempts, reason=reason, hold_until=hold_until
        )
    return Settlement(
        Verdict.RETRY, DeliveryState.PENDING, attempts, Steady(now + wait), reason, hold_until
    )


def expire(delivery: Delivery, policy: RetryPolicy, now: Steady) -> Settlement | None:
    """Return the end of a delivery that is older than `max_age`, None for a younger one."""
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
