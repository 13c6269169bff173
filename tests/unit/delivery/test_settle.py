"""Every row of the table in relay/delivery/settle.py, and the promises of all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Steady, Wall
from relay.delivery.retry import RetryPolicy, by_schedule
from relay.delivery.settle import Attempt, Settlement, Verdict, classify, drop, expire, fail, settle
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState, Event

SINCE = 1_700_000_000.0
NOW = Steady(SINCE + 10)
NEVER = Steady(0.0)
AT = Wall(NOW - 1)  # when an attempt began
POLICY = by_schedule((60.0, 300.0), 0.0, 3600.0)


def delivery(attempts: int = 0, since: float = SINCE) -> Delivery:
    event = Event(1, "evt_1", "hello", "", "", "", "", Wall(since), {}, {}, b"")
    return Delivery(event, 0, "inbox", "inbox", attempts, Steady(since), 7)


def answered(status: int, retry_after: float | None = None) -> Attempt:
    return Attempt(AT, 1.0, status, retry_after=retry_after)


def failed(reason: DeliveryReason) -> Attempt:
    return Attempt(AT, 1.0, reason=reason)


def decide(
    attempt: Attempt,
    attempts: int = 0,
    *,
    policy: RetryPolicy = POLICY,
    give_up_on: tuple[int, ...] = (),
) -> Settlement:
    return settle(delivery(attempts), attempt, policy, give_up_on=give_up_on, now=NOW, chance=0.5)


def expected_reason(status: int) -> DeliveryReason | None:
    if status == 410:
        return DeliveryReason.GONE
    if status == 429:
        return DeliveryReason.THROTTLED
    return {2: None, 3: DeliveryReason.REDIRECTED, 4: DeliveryReason.REFUSED}.get(
        status // 100, DeliveryReason.UNAVAILABLE
    )


@pytest.mark.parametrize("status", range(100, 600))
def test_each_status_has_one_meaning(status: int) -> None:
    """From 100 to 599: 2xx is a delivery, all else is one reason of the closed list."""
    assert classify(status) is expected_reason(status)


@pytest.mark.parametrize("status", [0, 600, 999, -1])
def test_status_that_is_none_is_no_delivery(status: int) -> None:
    """A number outside HTTP's is no success."""
    assert classify(status) is DeliveryReason.UNAVAILABLE


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    """Claimed --2xx--> delivered."""
    assert decide(answered(status)) == Settlement(Verdict.DELIVERED, DeliveryState.DELIVERED, 1)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (answered(500), DeliveryReason.UNAVAILABLE),
        (answered(404), DeliveryReason.REFUSED),
        (answered(302), DeliveryReason.REDIRECTED),
        (answered(102), DeliveryReason.UNAVAILABLE),
        (failed(DeliveryReason.TIMEOUT), DeliveryReason.TIMEOUT),
        (failed(DeliveryReason.CONNECTION), DeliveryReason.CONNECTION),
        (failed(DeliveryReason.TLS), DeliveryReason.TLS),
        (failed(DeliveryReason.DNS), DeliveryReason.DNS),
    ],
)
def test_failure_is_tried_again(attempt: Attempt, reason: DeliveryReason) -> None:
    """Claimed --fails, budget left--> pending, due later; it is counted, and nobody else waits."""
    assert decide(attempt) == Settlement(
        Verdict.RETRY, DeliveryState.PENDING, 1, Steady(NOW + 60), reason
    )
    assert decide(attempt, attempts=1) == Settlement(
        Verdict.RETRY, DeliveryState.PENDING, 2, Steady(NOW + 300), reason
    )


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked", "due"), [(5.0, 60.0), (60.0, 60.0), (500.0, 500.0), (0.0, 60.0)])
def test_target_that_asks_to_wait_is_left_alone(status: int, asked: float, due: float) -> None:
    """Claimed --target asks to wait--> pending; all of it waits, the delivery for the longer."""
    settlement = decide(answered(status, retry_after=asked))
    assert (settlement.verdict, settlement.state) == (Verdict.RETRY, DeliveryState.PENDING)
    assert settlement.due == NOW + due
    assert settlement.hold_until == NOW + asked


@pytest.mark.parametrize("status", [429, 503])
def test_without_retry_after_only_the_delivery_waits(status: int) -> None:
    """429 or 503 alone is an ordinary retry."""
    settlement = decide(answered(status))
    assert settlement.due == NOW + 60
    assert settlement.hold_until == NEVER


@pytest.mark.parametrize("status", [200, 301, 400, 404, 500, 502, 504])
def test_retry_after_counts_with_429_and_503_alone(status: int) -> None:
    """On any other status Retry-After says nothing about the target's load."""
    settlement = decide(answered(status, retry_after=1000.0))
    assert settlement.hold_until == NEVER
    assert settlement.due in {NEVER, NOW + 60}


@pytest.mark.parametrize(
    "attempt",
    [
        answered(500),
        answered(404),
        answered(429),
        failed(DeliveryReason.TIMEOUT),
        failed(DeliveryReason.DNS),
    ],
)
def test_used_up_budget_is_dead_with_the_last_reason(attempt: Attempt) -> None:
    """Claimed --fails, budget used up--> dead, with the last reason."""
    settlement = decide(attempt, attempts=2)
    assert (settlement.verdict, settlement.state, settlement.attempts) == (
        Verdict.DEAD,
        DeliveryState.DEAD,
        3,
    )
    assert settlement.reason is (attempt.reason or classify(attempt.status))
    assert settlement.due == NEVER


def test_last_attempt_still_holds_the_target() -> None:
    """A target that asks to wait is heard even by a delivery that is not tried again."""
    settlement = decide(answered(503, retry_after=30.0), attempts=2)
    assert (settlement.verdict, settlement.hold_until) == (Verdict.DEAD, NOW + 30)


def test_old_delivery_is_dead_after_its_attempt() -> None:
    """From `max_age` on, a failure is the last, whatever attempts are left."""
    settlement = settle(
        delivery(0, SINCE - 3600), answered(500), POLICY, give_up_on=(), now=NOW, chance=0.5
    )
    assert (settlement.verdict, settlement.reason) == (Verdict.DEAD, DeliveryReason.UNAVAILABLE)


@pytest.mark.parametrize(
    ("attempt", "reason", "pause"),
    [
        (answered(410), DeliveryReason.GONE, True),
        (failed(DeliveryReason.BLOCKED), DeliveryReason.BLOCKED, False),
        (failed(DeliveryReason.TRANSFORM_FAILED), DeliveryReason.TRANSFORM_FAILED, False),
        (failed(DeliveryReason.TARGET_REMOVED), DeliveryReason.TARGET_REMOVED, False),
    ],
)
def test_final_reasons_are_dead_at_once(
    attempt: Attempt, reason: DeliveryReason, *, pause: bool
) -> None:
    """Claimed --410, blocked, transform raised--> dead at once; 410 pauses the target as well."""
    assert decide(attempt) == Settlement(
        Verdict.DEAD, DeliveryState.DEAD, 1, reason=reason, pause=pause
    )


@pytest.mark.parametrize("status", [400, 422, 302, 503])
def test_status_to_give_up_on_is_dead_at_once(status: int) -> None:
    """Claimed --a status of give_up_on--> dead at once, with the status's own reason."""
    settlement = decide(answered(status), give_up_on=(400, 422, 302, 503))
    assert settlement == Settlement(Verdict.DEAD, DeliveryState.DEAD, 1, reason=classify(status))


def test_giving_up_on_a_503_still_holds_the_target() -> None:
    """The delivery is dead, and yet the target asked everyone to wait."""
    settlement = decide(answered(503, retry_after=30.0), give_up_on=(503,))
    assert (settlement.verdict, settlement.hold_until) == (Verdict.DEAD, NOW + 30)


def test_none_of_a_transform_is_dropped() -> None:
    """Claimed --transform returned None--> dropped; no attempt was made, none is counted."""
    assert drop(delivery(2)) == Settlement(Verdict.DROPPED, DeliveryState.DROPPED, 2)


@pytest.mark.parametrize("age", [3600.001, 1e9])
def test_delivery_that_waited_too_long_expires(age: float) -> None:
    """Claimed --older than max_age--> dead: expired, without an attempt."""
    assert expire(delivery(2), POLICY, Steady(SINCE + age)) == Settlement(
        Verdict.DEAD, DeliveryState.DEAD, 2, reason=DeliveryReason.EXPIRED
    )


@pytest.mark.parametrize("age", [-100.0, 0.0, 3600.0])
def test_younger_delivery_does_not_expire(age: float) -> None:
    """Up to `max_age`, and before its time after a clock that went back, a delivery lives."""
    assert expire(delivery(2), POLICY, Steady(SINCE + age)) is None


@pytest.mark.parametrize(
    "reason",
    [
        DeliveryReason.TRANSFORM_FAILED,
        DeliveryReason.TARGET_REMOVED,
        DeliveryReason.DROPPED_BY_OPERATOR,
    ],
)
def test_a_delivery_that_cannot_be_attempted_is_dead(reason: DeliveryReason) -> None:
    """Without an attempt, none is counted."""
    assert fail(delivery(2), reason) == Settlement(
        Verdict.DEAD, DeliveryState.DEAD, 2, reason=reason
    )


ATTEMPTS = st.builds(
    Attempt,
    at=st.just(AT),
    duration=st.just(1.0),
    status=st.integers(100, 599),
    retry_after=st.none() | st.floats(0, 3600),
) | st.builds(
    Attempt, at=st.just(AT), duration=st.just(1.0), reason=st.sampled_from(list(DeliveryReason))
)


@given(
    attempt=ATTEMPTS,
    attempts=st.integers(0, 100),
    age=st.floats(-1e6, 1e7),
    give_up_on=st.sets(st.integers(300, 599)),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_each_settlement_is_whole(
    attempt: Attempt, attempts: int, age: float, give_up_on: set[int], chance: float
) -> None:
    """Attempts rise by one; a retry is due later; dead has a reason; verdict and state agree."""
    now = Steady(SINCE + age)
    settlement = settle(
        delivery(attempts), attempt, POLICY, give_up_on=give_up_on, now=now, chance=chance
    )
    assert settlement.attempts == attempts + 1
    assert settlement.verdict.value == {"pending": "retry"}.get(
        settlement.state.word, settlement.state.word
    )
    assert (settlement.reason is None) is (settlement.verdict is Verdict.DELIVERED)
    assert (
        settlement.due >= now + (attempt.retry_after or 0)
        if attempt.status in {429, 503}
        else settlement.due >= now
    ) or (settlement.verdict is not Verdict.RETRY)
    assert settlement.pause is (settlement.reason is DeliveryReason.GONE)


@given(attempts=st.lists(ATTEMPTS, min_size=3, max_size=3))
def test_every_delivery_ends(attempts: list[Attempt]) -> None:
    """With two waits, the third attempt is the last, whatever happens."""
    verdicts = [decide(attempt, attempts=n).verdict for n, attempt in enumerate(attempts)]
    assert verdicts[-1] is not Verdict.RETRY


@given(
    attempts=st.integers(0, 1),
    age=st.floats(0, 3600, exclude_max=True),
    asked=st.none() | st.floats(0, 3600),
)
def test_no_retry_is_promised_after_max_age(attempts: int, age: float, asked: float | None) -> None:
    """A retry that would only find its delivery expired is none: it is dead, for its reason."""
    now = Steady(SINCE + age)
    settlement = settle(
        delivery(attempts), answered(503, asked), POLICY, give_up_on=(), now=now, chance=0.5
    )
    assert settlement.verdict is Verdict.DEAD or settlement.due <= SINCE + POLICY.max_age
