"""settle, claim, replay and bury: who owns a delivery, and what becomes of it."""

import asyncio

import pytest

from relay.clock import Steady
from relay.delivery.settle import Settlement
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState, Event
from relay.stores.contract import Store
from relay.stores.records import DeliveryRecord
from tests.contract.stores.engine import (
    DEADLINE,
    DELIVERED,
    DROPPED,
    NOW,
    Appender,
    Engine,
    after,
    dead,
    expect,
    retry,
    settle,
    start_settle,
)

MANY = 10**9


async def record(store: Store, event: Event, n: int = 0) -> DeliveryRecord:
    (stored,) = await store.asking.find(event.id)
    return stored.deliveries[n]


async def claim(
    store: Store, now: float = NOW, *, limit: int = 100, size: int = MANY
) -> list[Delivery]:
    return (await store.delivering.claim("inbox", Steady(now), limit, size)).deliveries


@pytest.mark.parametrize("held", [True, False], ids=["held", "claimed"])
@pytest.mark.parametrize(
    ("settlement", "state", "reason", "attempts"),
    [
        (DELIVERED, DeliveryState.DELIVERED, "", 1),
        (DROPPED, DeliveryState.DROPPED, "", 0),
        (dead(DeliveryReason.GONE), DeliveryState.DEAD, "gone", 1),
        (dead(DeliveryReason.EXPIRED, 0), DeliveryState.DEAD, "expired", 0),
    ],
)
async def test_end_is_recorded(
    store: Store,
    appender: Appender,
    *,
    held: bool,
    settlement: Settlement,
    state: DeliveryState,
    reason: str,
    attempts: int,
) -> None:
    """Held in memory or claimed: delivered, dropped and dead are recorded with their reason."""
    event = await appender.append({"inbox": held})
    delivery = appender.held(event) if held else (await claim(store))[0]
    await settle(store, delivery, settlement, status=210, detail="told", at=NOW + 7)
    expect(
        await record(store, event), state=state, reason=reason, attempts=attempts,
        settled_at=NOW + 7, due=None, status=210, detail="told",
    )  # fmt: skip
    assert (await store.asking.counts()).pending == {}
    assert await claim(store, NOW + 10**6) == []


@pytest.mark.parametrize("held", [True, False], ids=["held", "claimed"])
async def test_retry_waits_until_it_is_due(store: Store, appender: Appender, *, held: bool) -> None:
    """A retry can't be claimed before its time, and then has its attempts and budget's start."""
    event = await appender.append({"inbox": held})
    delivery = appender.held(event) if held else (await claim(store))[0]
    await settle(store, delivery, retry(NOW + 60), status=500)
    waiting = await record(store, event)
    expect(waiting, state=DeliveryState.PENDING, due=NOW + 60, settled_at=None)
    early = await store.delivering.claim("inbox", after(59), 10, MANY)
    assert (early.deliveries, early.next_due) == ([], NOW + 60)
    (again,) = await claim(store, NOW + 60)
    assert (again.attempts, again.since, again.event) == (1, NOW, event)


async def test_failed_attempts_are_told_in_order(store: Store, appender: Appender) -> None:
    """Each failed attempt has a record of its own; a success has none but the delivery's."""
    event = await appender.append({"inbox": True})
    await settle(store, appender.held(event), retry(NOW + 5), at=NOW + 1, status=500, detail="one")
    (second,) = await claim(store, NOW + 5)
    await settle(
        store, second, retry(NOW + 9, 2, DeliveryReason.TIMEOUT), at=NOW + 6, status=0, detail="two"
    )
    (third,) = await claim(store, NOW + 9)
    await settle(store, third, Settlement(DELIVERED.verdict, DELIVERED.state, 3), at=NOW + 10)
    tried = (await record(store, event)).tried
    assert [(t.attempt, t.at, t.duration, t.status, t.reason, t.detail) for t in tried] == [
        (1, NOW + 1, 0.25, 500, "unavailable", "one"),
        (2, NOW + 6, 0.25, 0, "timeout", "two"),
    ]


async def test_long_detail_is_cut(store: Store, appender: Appender) -> None:
    """A target's page-long answer does not fill the store."""
    event = await appender.append({"inbox": True})
    await settle(store, appender.held(event), retry(NOW + 5), detail="x" * 10_000)
    delivery = await record(store, event)
    assert 100 <= len(delivery.detail) <= 1000
    assert 100 <= len(delivery.tried[0].detail) <= 1000


async def test_detail_that_cannot_be_written_stops_nothing(
    store: Store, appender: Appender
) -> None:
    """Text that no database takes, in a transform's error, loses no settle and blocks none."""
    event = await appender.append({"inbox": True})
    odd = start_settle(
        store,
        appender.held(event),
        dead(DeliveryReason.TRANSFORM_FAILED),
        detail="KeyError: '\ud800'",
    )
    other = await appender.append()
    await asyncio.wait_for(odd.wait(), 5)
    assert (await record(store, event)).state is DeliveryState.DEAD
    assert (await record(store, other)).state is DeliveryState.PENDING


async def test_claim_takes_the_longest_due_first(store: Store, appender: Appender) -> None:
    """Order is by due time, whatever the order of arrival."""
    events = [await appender.append(now=NOW + due) for due in (30, 10, 20)]
    taken = await claim(store, NOW + 100)
    assert [delivery.event.id for delivery in taken] == [events[n].id for n in (1, 2, 0)]


async def test_claim_is_of_one_target(store: Store, appender: Appender) -> None:
    """Each target has its own queue."""
    event = await appender.append({"chat": False, "inbox": False})
    (taken,) = await claim(store)
    assert (taken.target, taken.forward, taken.n) == ("inbox", "to-inbox", 1)
    (other,) = (await store.delivering.claim("chat", NOW, 10, MANY)).deliveries
    assert (other.event.id, other.n) == (event.id, 0)
    assert (await store.delivering.claim("nowhere", NOW, 10, MANY)).deliveries == []


async def test_claim_heeds_its_limit(store: Store, appender: Appender) -> None:
    """At most `limit` are taken; the rest waits for the next claim."""
    for _ in range(5):
        await appender.append()
    first = await store.delivering.claim("inbox", NOW, 3, MANY)
    assert len(first.deliveries) == 3
    assert first.next_due == NOW
    second = await store.delivering.claim("inbox", NOW, 3, MANY)
    assert len(second.deliveries) == 2
    assert second.next_due is None


async def test_claim_heeds_its_bytes(store: Store, appender: Appender) -> None:
    """About `size` bytes of bodies are taken: memory stays bounded however long the backlog."""
    for _ in range(5):
        await appender.append(raw=b"x" * 1000)
    assert len(await claim(store, size=2500)) == 3
    assert len(await claim(store, size=1)) == 1
    assert len(await claim(store, size=10_000)) == 1


async def test_body_larger_than_the_bytes_is_taken_alone(store: Store, appender: Appender) -> None:
    """A single large body is delivered all the same, or it would wait for ever."""
    event = await appender.append(raw=b"x" * 100_000)
    (taken,) = await claim(store, size=10)
    assert taken.event == event


async def test_claimed_is_not_claimed_again(store: Store, appender: Appender) -> None:
    """A claimed delivery is nobody else's, and still counts as pending."""
    await appender.append()
    assert len(await claim(store)) == 1
    assert await claim(store) == []
    assert (await store.asking.counts()).pending == {"inbox": 1}


async def test_held_delivery_is_not_claimed(store: Store, appender: Appender) -> None:
    """A delivery that a lane holds in memory is not taken from the store as well."""
    await appender.append({"inbox": True})
    assert await claim(store) == []


async def test_each_claim_has_a_token_of_its_own(store: Store, appender: Appender) -> None:
    """Two claims can be told apart, and from what is held in memory."""
    await appender.append()
    await appender.append()
    (first,) = await claim(store, limit=1)
    (second,) = await claim(store, limit=1)
    assert len({first.token, second.token, appender.token}) == 3


async def test_stale_owner_cannot_settle(store: Store, appender: Appender) -> None:
    """After another took a delivery over, the first one's result changes nothing, and is let go."""
    event = await appender.append()
    (mine,) = await claim(store)
    stale = mine._replace(token=mine.token + 1)
    await settle(store, stale, dead())
    assert (await record(store, event)).state is DeliveryState.CLAIMED
    await settle(store, mine, DELIVERED)
    assert (await record(store, event)).state is DeliveryState.DELIVERED
    await settle(store, mine, dead())
    assert (await record(store, event)).state is DeliveryState.DELIVERED


async def test_second_settle_of_a_held_delivery_changes_nothing(
    store: Store, appender: Appender
) -> None:
    """The first result stands."""
    event = await appender.append({"inbox": True})
    await settle(store, appender.held(event), DELIVERED)
    await settle(store, appender.held(event), dead())
    assert (await record(store, event)).state is DeliveryState.DELIVERED


async def test_owner_from_before_a_restart_cannot_settle(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Deliveries held or claimed before a restart are pending again; late results are let go."""
    held = await appender.append({"inbox": True})
    stored = await appender.append({"inbox": False})
    (claimed,) = await claim(store)
    old = appender.held(held)
    await engine.close(store)
    reopened = await engine.open()
    for delivery in (old, claimed):
        await settle(reopened, delivery, DELIVERED)
    assert {d.event.id for d in await claim(reopened)} == {held.id, stored.id}
    for delivery in (old, claimed):
        await settle(reopened, delivery, DELIVERED)
    assert (await reopened.asking.counts()).pending == {"inbox": 2}


@pytest.mark.parametrize(
    "end", [DELIVERED, DROPPED, dead(DeliveryReason.TIMEOUT)], ids=["delivered", "dropped", "dead"]
)
@pytest.mark.parametrize("held", [True, False], ids=["held", "claimed"])
async def test_replay_begins_anew(
    store: Store, appender: Appender, end: Settlement, *, held: bool
) -> None:
    """A delivery that has ended can be replayed: same event and id, fresh budget, due at once."""
    event = await appender.append({"inbox": held})
    delivery = appender.held(event) if held else (await claim(store))[0]
    await settle(store, delivery, end)
    assert await store.operating.replay(event.seq, 0, after(500)) is True
    replayed = await record(store, event)
    expect(replayed, state=DeliveryState.PENDING, attempts=0, reason="", due=NOW + 500)
    (again,) = await claim(store, NOW + 500)
    assert (again.event, again.attempts, again.since) == (event, 0, NOW + 500)
    await settle(store, again, DELIVERED)
    assert (await record(store, event)).state is DeliveryState.DELIVERED


async def test_only_what_has_ended_is_replayed(store: Store, appender: Appender) -> None:
    """Pending, claimed, held and unknown ones are left alone: nothing is sent twice at once."""
    waiting = await appender.append()
    held = await appender.append({"inbox": True})
    assert await store.operating.replay(waiting.seq, 0, after(1)) is False
    assert await store.operating.replay(held.seq, 0, after(1)) is False
    assert await store.operating.replay(waiting.seq, 5, after(1)) is False
    assert await store.operating.replay(12345, 0, after(1)) is False
    assert len(await claim(store)) == 1
    assert await store.operating.replay(waiting.seq, 0, after(1)) is False
    assert (await record(store, waiting)).state is DeliveryState.CLAIMED


async def test_second_replay_waits_for_the_first(store: Store, appender: Appender) -> None:
    """Of two replays at once, one counts."""
    event = await appender.append({"inbox": True})
    await settle(store, appender.held(event), dead())
    answers = await asyncio.gather(
        *(store.operating.replay(event.seq, 0, after(n)) for n in range(3))
    )
    assert sorted(answers) == [False, False, True]


async def test_bury_ends_what_has_no_target_any_more(store: Store, appender: Appender) -> None:
    """Pending deliveries of removed targets are dead with the reason; the others stay."""
    event = await appender.append({"inbox": False, "old": False, "older": False})
    await appender.append({"old": False})
    (taken,) = (await store.delivering.claim("older", NOW, 10, MANY)).deliveries
    buried = await store.operating.bury(["inbox"], DeliveryReason.TARGET_REMOVED.value, after(3))
    assert buried == {"old": 2, "older": 1}
    letter = await record(store, event, 1)
    expect(letter, state=DeliveryState.DEAD, reason="target_removed", settled_at=NOW + 3)
    assert (await store.asking.counts()).pending == {"inbox": 1}
    await settle(store, taken, DELIVERED)
    assert (await record(store, event, 2)).state is DeliveryState.DEAD
    assert (
        await store.operating.bury(["inbox"], DeliveryReason.TARGET_REMOVED.value, after(4)) == {}
    )


async def test_what_is_buried_can_be_replayed(store: Store, appender: Appender) -> None:
    """Once the target is back, so is what it was owed."""
    event = await appender.append({"old": False})
    await store.operating.bury([], DeliveryReason.TARGET_REMOVED.value, NOW)
    assert await store.operating.replay(event.seq, 0, after(1)) is True
    (again,) = (await store.delivering.claim("old", after(1), 10, MANY)).deliveries
    assert again.event.id == event.id


async def test_replayed_delivery_of_a_held_event_outlives_a_restart(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Held siblings, a replayed one and a delivered one all keep their state over a restart."""
    event = await appender.append({"inbox": True, "chat": True, "crm": True})
    await settle(store, appender.held(event, 0, "inbox"), DELIVERED)
    await settle(store, appender.held(event, 1, "chat"), dead())
    assert await store.operating.replay(event.seq, 1, after(1)) is True
    await engine.close(store)
    reopened = await engine.open()
    (stored,) = await reopened.asking.find(event.id)
    assert [delivery.state.word for delivery in stored.deliveries] == [
        "delivered",
        "pending",
        "pending",
    ]


async def test_settled_is_called_once_it_is_on_disk(store: Store, appender: Appender) -> None:
    """When the lane hears of it, a reader sees it."""
    event = await appender.append({"inbox": True})
    done = start_settle(store, appender.held(event), DELIVERED)
    assert not done.is_set()
    await asyncio.wait_for(done.wait(), DEADLINE)
    assert (await record(store, event)).state is DeliveryState.DELIVERED
    assert store.writing.waiting == 0


async def test_what_is_due_later_than_its_target_ever_waits_is_due_now(
    store: Store, appender: Appender
) -> None:
    """Each target has a limit of its own; within it deliveries wait on, and without a limit."""
    for target in ("quick", "slow", "other"):
        await appender.append({target: False}, now=NOW + 100)
    assert await store.delivering.hasten({}, NOW) == 0
    assert await store.delivering.hasten({"quick": 50.0, "slow": 150.0}, NOW) == 1
    due = [
        await store.delivering.claim(target, NOW, 10, 1 << 20)
        for target in ("quick", "slow", "other")
    ]
    assert [len(claim.deliveries) for claim in due] == [1, 0, 0]
