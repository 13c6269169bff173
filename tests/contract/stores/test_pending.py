"""pending, by which the public listener bounds the backlog: right whatever settles come."""

from relay.errors import DeliveryReason
from relay.event import Owed
from relay.stores.contract import Store
from tests.contract.stores.engine import (
    DELIVERED,
    NOW,
    Appender,
    Engine,
    after,
    dead,
    retry,
    settle,
    soon,
)

OWED = (Owed("to-inbox", "inbox"), Owed("to-chat", "chat"))
REMOVED = DeliveryReason.TARGET_REMOVED.value


async def test_every_end_counts_once(store: Store, appender: Appender) -> None:
    """Deliveries in memory and in the store count from their commit to their end, also retries."""
    event = await appender.append({"inbox": True, "chat": False})
    assert store.writing.pending == 2
    await settle(store, appender.held(event), retry(NOW + 5))
    assert store.writing.pending == 2
    (again,) = (await store.delivering.claim("inbox", after(5), 1, 1)).deliveries
    await settle(store, again, DELIVERED)
    assert store.writing.pending == 1
    (other,) = (await store.delivering.claim("chat", NOW, 1, 1)).deliveries
    await settle(store, other, dead())
    assert store.writing.pending == 0


async def test_second_settle_counts_nothing(store: Store, appender: Appender) -> None:
    """Of a delivery that has ended, by its own lane again: another event's still counts."""
    event, _ = await appender.append({"inbox": True}), await appender.append({"inbox": True})
    for _ in range(3):
        await settle(store, appender.held(event), DELIVERED)
    assert store.writing.pending == 1


async def test_stale_settle_counts_nothing(store: Store, appender: Appender) -> None:
    """The delivery is another owner's, and still to be delivered."""
    await appender.append()
    (mine,) = (await store.delivering.claim("inbox", NOW, 1, 1)).deliveries
    await settle(store, mine._replace(token=mine.token + 1), DELIVERED)
    assert store.writing.pending == 1


async def test_late_settle_of_a_buried_delivery_counts_nothing(
    store: Store, appender: Appender
) -> None:
    """The attempt ended after its target was removed: the burial has counted the delivery."""
    await appender.append({"gone": False, "inbox": False})
    (mine,) = (await store.delivering.claim("gone", NOW, 1, 1)).deliveries
    assert await store.operating.bury(["inbox"], REMOVED, NOW) == {"gone": 1}
    await settle(store, mine, DELIVERED)
    assert store.writing.pending == 1


async def test_replayed_counts_again(store: Store, appender: Appender) -> None:
    """Once, however often it is asked for, until it ends again."""
    event = await appender.append({"inbox": True})
    await settle(store, appender.held(event), dead())
    assert await store.operating.replay(event.seq, 0, NOW)
    assert not await store.operating.replay(event.seq, 0, NOW)
    assert store.writing.pending == 1
    await settle(store, appender.held(event), DELIVERED)  # the first owner, late
    assert store.writing.pending == 1
    (again,) = (await store.delivering.claim("inbox", NOW, 1, 1)).deliveries
    await settle(store, again, DELIVERED)
    assert store.writing.pending == 0


async def test_duplicate_and_quarantined_count_nothing(store: Store, appender: Appender) -> None:
    """A duplicate owes nothing; what was in quarantine owes once it is released."""
    until = NOW + 10**9
    await appender.append(dedupe_id="same", until=until)
    await soon(appender.start(appender.event(dedupe_id="same"), until=until))
    assert store.writing.pending == 1
    held_back = appender.event()
    await soon(appender.start(held_back, {}, quarantined=True))
    assert store.writing.pending == 1
    assert await store.operating.release(held_back, OWED, NOW)
    assert store.writing.pending == 3


async def test_reopened_store_counts_what_it_finds(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """In memory, claimed or waiting when the process ended: each counts once."""
    await appender.append({"inbox": True, "chat": False, "crm": False})
    await store.delivering.claim("chat", NOW, 1, 1)
    await engine.close(store)
    assert (await engine.open()).writing.pending == 3
