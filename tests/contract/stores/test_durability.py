"""Events outlive the end of a process; a full disk refuses them and recovers."""

import asyncio
from typing import Any

import pytest

from relay.delivery.settle import Settlement
from relay.errors import DeliveryReason, StoreUnavailable, StoreUnusable
from relay.event import DeliveryState, Event
from relay.stores.contract import Store
from relay.stores.records import Commit
from tests.contract.stores.engine import (
    DEADLINE,
    DELIVERED,
    NOW,
    Appender,
    Engine,
    after,
    dead,
    expect,
    retry,
    settle,
    soon,
    start_settle,
)

MANY = 10**9


async def states(store: Store, event: Event) -> list[str]:
    (stored,) = await store.asking.find(event.id)
    return [delivery.state.word for delivery in stored.deliveries]


async def test_held_deliveries_are_pending_after_reopen(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Deliveries that were in memory alone are in the store's queue afterwards, in order."""
    events = [await appender.append({"inbox": True}, now=NOW + n) for n in range(10)]
    await engine.close(store)
    reopened = await engine.open()
    assert (await reopened.asking.counts()).pending == {"inbox": 10}
    claimed = (await reopened.delivering.claim("inbox", after(100), 100, MANY)).deliveries
    assert [delivery.event for delivery in claimed] == events
    assert {delivery.attempts for delivery in claimed} == {0}


async def test_only_what_is_open_comes_back(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Of an event with several deliveries, those that ended stay so, the others are pending."""
    event = await appender.append({"inbox": True, "chat": False, "crm": True, "erp": True})
    await settle(store, appender.held(event, 0, "inbox"), DELIVERED)
    await settle(store, appender.held(event, 3, "erp"), dead(DeliveryReason.GONE))
    await engine.close(store)
    assert await states(await engine.open(), event) == ["delivered", "pending", "pending", "dead"]


async def test_recovery_reaches_back_behind_settled_events(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """An old event with one open delivery is found again, however many came and ended after it."""
    stuck = await appender.append({"inbox": True, "chat": True})
    await settle(store, appender.held(stuck, 1, "chat"), DELIVERED)
    for _ in range(50):
        event = await appender.append({"inbox": True})
        await settle(store, appender.held(event), DELIVERED)
    await engine.close(store)
    reopened = await engine.open()
    assert await states(reopened, stuck) == ["pending", "delivered"]
    (claimed,) = (await reopened.delivering.claim("inbox", NOW, 100, MANY)).deliveries
    assert claimed.event == stuck


async def test_mark_never_passes_what_is_in_memory(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Appends and settles in any order, batches of any size: each open delivery comes back."""
    open_ones: set[str] = set()
    for batch in range(20):
        events = [appender.event() for _ in range(batch % 5 + 1)]
        await soon(asyncio.gather(*(appender.start(event, {"inbox": True}) for event in events)))
        for n, event in enumerate(events):
            if (batch + n) % 3:
                await settle(store, appender.held(event), DELIVERED)
            else:
                open_ones.add(event.id)
    await engine.close(store)
    reopened = await engine.open()
    claimed = (await reopened.delivering.claim("inbox", NOW, 1000, MANY)).deliveries
    assert {delivery.event.id for delivery in claimed} == open_ones


@pytest.mark.parametrize("end", [DELIVERED, retry(NOW + 5)], ids=["delivered", "retried"])
async def test_second_settle_of_one_delivery_hides_no_other(
    engine: Engine, store: Store, appender: Appender, end: Settlement
) -> None:
    """A lane that settles one twice, late or stale, must not count for the other one in memory."""
    event = await appender.append({"inbox": True, "chat": True})
    mine = appender.held(event)
    for token in (mine.token, mine.token, mine.token + 1):
        await settle(store, mine._replace(token=token), end)
    await appender.append()  # the mark moves, past all that has rows
    await appender.append()
    await engine.close(store)
    reopened = await engine.open()
    (claimed,) = (await reopened.delivering.claim("chat", NOW, 100, MANY)).deliveries
    assert claimed.event == event


async def test_claimed_deliveries_are_pending_after_reopen(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """A claim ends with its process; an attempt that was under way costs nothing."""
    event = await appender.append()
    assert len((await store.delivering.claim("inbox", NOW, 10, MANY)).deliveries) == 1
    assert await states(store, event) == ["claimed"]
    await engine.close(store)
    reopened = await engine.open()
    (again,) = (await reopened.delivering.claim("inbox", NOW, 10, MANY)).deliveries
    assert (again.event, again.attempts) == (event, 0)


async def test_retries_outlive_a_restart(engine: Engine, store: Store, appender: Appender) -> None:
    """Due time, attempts and the budget's start are as they were."""
    event = await appender.append({"inbox": True})
    await settle(
        store, appender.held(event), retry(NOW + 600, attempts=4), status=500, detail="why"
    )
    await engine.close(store)
    reopened = await engine.open()
    early = await reopened.delivering.claim("inbox", after(599), 10, MANY)
    assert (early.deliveries, early.next_due) == ([], NOW + 600)
    (again,) = (await reopened.delivering.claim("inbox", after(600), 10, MANY)).deliveries
    assert (again.event, again.attempts, again.since) == (event, 4, NOW)


async def test_reopening_again_and_again_changes_nothing(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Recovery twice is recovery once."""
    await appender.append({"inbox": True, "chat": False})
    await engine.close(store)
    for _ in range(3):
        reopened = await engine.open()
        assert (await reopened.asking.counts()).pending == {"inbox": 1, "chat": 1}
        await engine.close(reopened)


async def test_second_open_is_refused(engine: Engine, store: Store, appender: Appender) -> None:
    """Two relays on one store would deliver twice: the second is told, the first goes on."""
    with pytest.raises(StoreUnusable, match="in use by another relay"):
        await engine.open()
    await appender.append()
    assert (await store.asking.counts()).pending == {"inbox": 1}


async def test_store_is_free_after_closing(engine: Engine, store: Store) -> None:
    """The next relay may start as soon as this one has ended."""
    await engine.close(store)
    await engine.close(await engine.open())


# --- a full disk ----------------------------------------------------------------------------------


async def filled(engine: Engine, store: Store, appender: Appender) -> None:
    """Fill the disk, and use up what room there is within the pages."""
    await engine.fill_disk(store)
    for _ in range(100):
        try:
            await soon(appender.start(appender.event(raw=bytes(100_000))))
        except StoreUnavailable:
            return
    pytest.fail("the disk did not fill")


async def test_full_disk_refuses_events(engine: Engine, store: Store, appender: Appender) -> None:
    """While nothing can be committed, appends are StoreUnavailable, and leave nothing behind."""
    await filled(engine, store, appender)
    event = appender.event(raw=bytes(100_000))
    with pytest.raises(StoreUnavailable, match="could not commit"):
        await soon(appender.start(event))
    assert event.id in appender.not_committed
    assert event.id not in appender.committed
    assert await store.asking.find(event.id) == []


async def test_refused_event_is_no_duplicate_afterwards(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """A refused event was not seen: the sender's next try is a fresh event."""
    await filled(engine, store, appender)
    facts: dict[str, Any] = {"dedupe_id": "same", "raw": bytes(100_000)}
    with pytest.raises(StoreUnavailable):
        await soon(appender.start(appender.event(**facts), until=NOW * 2))
    await engine.free_disk(store)
    await appender.append(until=NOW * 2, **facts)


async def test_full_disk_recovers_by_itself(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """Once there is space again, events are taken again; what was there before is whole."""
    before = await appender.append()
    await filled(engine, store, appender)
    await engine.free_disk(store)
    after = await appender.append(raw=bytes(100_000))
    assert await states(store, before) == ["pending"]
    assert await states(store, after) == ["pending"]


async def test_settles_are_kept_until_there_is_space(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """The outcome of a delivery is a fact: it is kept, tried again each second, then on disk."""
    events = [await appender.append({"inbox": True}) for _ in range(40)]
    await filled(engine, store, appender)
    details = "x" * 480
    done = [
        start_settle(store, appender.held(event), retry(NOW + 60), detail=details)
        for event in events
    ]
    with pytest.raises(StoreUnavailable):
        await soon(appender.start(appender.event(raw=bytes(100_000))))
    assert not any(settled.is_set() for settled in done)
    await engine.free_disk(store)
    await asyncio.wait_for(asyncio.gather(*(settled.wait() for settled in done)), DEADLINE)
    assert store.writing.waiting == 0
    for event in events:
        (stored,) = await store.asking.find(event.id)
        expect(stored.deliveries[0], state=DeliveryState.PENDING, due=NOW + 60)


async def test_retained_settles_try_again_without_new_work(
    engine: Engine, appender: Appender, store: Store
) -> None:
    """The store tries by itself until it can commit, at its own pace and not in a busy loop."""
    await engine.close(store)
    commits: list[Commit] = []
    store = await engine.open(observe=commits.append)
    appender = Appender(store)
    event = await appender.append({"inbox": True}, raw=bytes(10))
    await filled(engine, store, appender)
    done = [
        start_settle(
            store, appender.held(event), retry(NOW + 60, attempts=n), at=NOW + n, detail="x" * 480
        )
        for n in range(200)
    ]
    loop = asyncio.get_running_loop()
    commits.clear()
    began = loop.time()
    while len(commits) < 2:
        assert loop.time() - began < DEADLINE
        await asyncio.sleep(0.01)
    assert loop.time() - began >= 0.5, "it does not try again at once"
    await engine.free_disk(store)
    await asyncio.wait_for(asyncio.gather(*(settled.wait() for settled in done)), DEADLINE)


async def test_closing_with_a_full_disk_ends(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """A settle that can't be written holds no shutdown up; its delivery is pending at the start."""
    events = [await appender.append({"inbox": True}) for _ in range(100)]
    await filled(engine, store, appender)
    done = [
        start_settle(store, appender.held(event), retry(NOW + 60), detail="x" * 480)
        for event in events
    ]
    await asyncio.wait_for(engine.close(store), DEADLINE)
    assert not any(settled.is_set() for settled in done)
    reopened = await engine.open()
    assert (await reopened.asking.counts()).pending["inbox"] >= len(events)


async def test_closing_commits_what_came_while_a_commit_was_under_way(engine: Engine) -> None:
    """No settle is left behind when the store closes: no delivery is made again for that."""
    store = await engine.open()
    appender = Appender(store)
    first, second = await appender.append({"inbox": True}), await appender.append({"inbox": True})
    done = [start_settle(store, appender.held(first), DELIVERED)]
    await asyncio.sleep(0)  # now its commit is under way
    await asyncio.sleep(0)
    done.append(start_settle(store, appender.held(second), DELIVERED))
    await engine.close(store)
    assert all(settled.is_set() for settled in done)
    store = await engine.open()
    for event in (first, second):
        assert await states(store, event) == ["delivered"]
