"""Ordered deliveries: of each target, forward and key one at a time, in the order of acceptance."""

import asyncio
import random

import pytest

from relay.clock import Steady, Wall
from relay.delivery.settle import Settlement
from relay.event import Delivery, DeliveryState, Event
from relay.stores.contract import Store
from tests.contract.stores.engine import (
    DELIVERED,
    DROPPED,
    NOW,
    Appender,
    Engine,
    dead,
    retry,
    settle,
    soon,
)


async def claim(store: Store, now: float = NOW + 100, target: str = "inbox") -> list[Delivery]:
    return (await store.delivering.claim(target, Steady(now), 100, 10**9)).deliveries


async def claimed(store: Store, now: float = NOW + 100) -> list[str]:
    return [delivery.event.id for delivery in await claim(store, now)]


async def append(appender: Appender, *keys: str) -> list[Event]:
    """Append an event for each key, all in one batch."""
    events = [appender.event(key=key) for key in keys]
    await asyncio.gather(*(soon(appender.start(event, ordered=True)) for event in events))
    return events


async def test_only_the_first_of_a_key_may_go(store: Store, appender: Appender) -> None:
    """Of several events of a key in one batch the first is claimed; of another key, its first."""
    first, _, other, _ = await append(appender, "a", "a", "b", "a")
    assert await claimed(store) == [first.id, other.id]
    assert await claimed(store) == []


async def test_later_batch_waits_for_the_one_before(store: Store, appender: Appender) -> None:
    """An event that is accepted while another of its key is pending or claimed waits for it."""
    (first,) = await append(appender, "a")
    await append(appender, "a")
    assert await claimed(store) == [first.id]
    await append(appender, "a")
    assert await claimed(store) == []


@pytest.mark.parametrize("end", [DELIVERED, DROPPED, dead()], ids=["delivered", "dropped", "dead"])
async def test_end_lets_the_next_go(store: Store, appender: Appender, end: Settlement) -> None:
    """Whatever the end of the head: the next of its key is due at once, and no other."""
    _, second, _ = await append(appender, "a", "a", "a")
    (head,) = await claim(store)
    await settle(store, head, end)
    assert await claimed(store) == [second.id]
    assert await claimed(store) == []


async def test_retry_holds_up_its_own_key_alone(store: Store, appender: Appender) -> None:
    """A head that waits for its retry lets none of its key pass; other keys go on."""
    first, _, other, after = await append(appender, "a", "a", "b", "b")
    head, of_b = await claim(store)
    await settle(store, head, retry(NOW + 1000))
    await settle(store, of_b, DELIVERED)
    assert of_b.event.id == other.id
    assert await claimed(store) == [after.id]
    assert await claimed(store, NOW + 1000) == [first.id]


async def test_orders_of_targets_forwards_and_routes_are_apart(
    store: Store, appender: Appender
) -> None:
    """The same key to another target, or of another route, waits for nobody."""
    await appender.append({"inbox": False, "chat": False}, ordered=True)
    await appender.append(route="other", ordered=True)
    await appender.append(ordered=True)
    assert len(await claim(store)) == 2
    assert len(await claim(store, target="chat")) == 1


async def test_unordered_of_the_same_key_waits_for_nobody(store: Store, appender: Appender) -> None:
    """Ordering is a forward's own: what is not ordered goes at once."""
    await appender.append(ordered=True)
    await appender.append(ordered=True)
    free = await appender.append()
    assert free.id in await claimed(store)


async def test_order_outlives_a_restart(engine: Engine, store: Store, appender: Appender) -> None:
    """After a restart the head, though it was claimed, is the only one of its key that may go."""
    first, second = await append(appender, "a", "a")
    await claim(store)
    await engine.close(store)
    again = await engine.open()
    (head,) = await claim(again)
    assert head.event.id == first.id
    await settle(again, head, DELIVERED)
    assert await claimed(again) == [second.id]


async def test_stale_settle_lets_nobody_pass(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """The result of an owner that lost the head to another leaves the head open."""
    await append(appender, "a", "a")
    (stale,) = await claim(store)
    await engine.close(store)
    again = await engine.open()
    await claim(again)
    await settle(again, stale, DELIVERED)
    assert await claimed(again) == []


async def test_replayed_takes_its_old_place(store: Store, appender: Appender) -> None:
    """A replayed head waits for the one that goes now, and comes before all younger ones."""
    first, _, third = await append(appender, "a", "a", "a")
    (head,) = await claim(store)
    await settle(store, head, dead())
    (second,) = await claim(store)
    assert await store.operating.replay(first.seq, 0, NOW)
    assert await claimed(store) == []
    await settle(store, second, DELIVERED)
    (again,) = await claim(store)
    assert again.event.id == first.id
    await settle(store, again, DELIVERED)
    assert await claimed(store) == [third.id]


async def test_replay_with_nobody_before_it_goes_at_once(store: Store, appender: Appender) -> None:
    """If no other of its key is open, a replayed delivery is due."""
    (first,) = await append(appender, "a")
    (head,) = await claim(store)
    await settle(store, head, dead())
    assert await store.operating.replay(first.seq, 0, NOW)
    assert await claimed(store) == [first.id]


async def test_duplicate_takes_no_place(store: Store, appender: Appender) -> None:
    """A duplicate in the same batch neither goes nor holds up its key."""
    events = [appender.event(key="a", dedupe_id=name) for name in ("x", "x", "y")]
    answers = [appender.start(event, until=2 * NOW, ordered=True) for event in events]
    assert [await soon(answer) for answer in answers] == ["", events[0].id, ""]
    (head,) = await claim(store)
    await settle(store, head, DELIVERED)
    assert await claimed(store) == [events[2].id]


async def test_parked_are_counted_as_pending(store: Store, appender: Appender) -> None:
    """Deliveries that wait for their turn are pending, and their events stay."""
    await append(appender, "a", "a", "a")
    assert (await store.asking.counts()).pending == {"inbox": 3}


@pytest.mark.parametrize("seed", range(5))
async def test_any_course_keeps_the_order(store: Store, appender: Appender, seed: int) -> None:
    """Appends, retries and ends in any sequence: never two of a key, first attempts in order."""
    chance = random.Random(seed)
    mine: list[Delivery] = []
    begun: dict[str, list[int]] = {"a": [], "b": []}
    accepted = 0
    for step in range(120):
        if accepted < 40 and chance.random() < 0.5:
            accepted += len(await append(appender, *chance.choices("ab", k=chance.randrange(1, 4))))
        mine += await claim(store, NOW + step)
        keys = [delivery.event.key for delivery in mine]
        assert len(set(keys)) == len(keys)
        if mine and chance.random() < 0.8:
            delivery = mine.pop(chance.randrange(len(mine)))
            if delivery.attempts == 0:
                begun[delivery.event.key].append(delivery.event.seq)
            await settle(
                store,
                delivery,
                chance.choice([DELIVERED, dead(), retry(NOW + step + 2)]),
                at=NOW + step,
            )
    for _ in range(accepted):
        mine += await claim(store, 2 * NOW)
        for delivery in mine:
            if delivery.attempts == 0:
                begun[delivery.event.key].append(delivery.event.seq)
            await settle(store, delivery, DELIVERED)
        mine = []
    assert all(seqs == sorted(seqs) for seqs in begun.values())
    assert sum(map(len, begun.values())) == accepted
    events = [
        record
        for seq in begun["a"] + begun["b"]
        for record in await store.asking.find(_id(store, seq))
    ]
    assert {delivery.state for event in events for delivery in event.deliveries} <= {
        DeliveryState.DELIVERED,
        DeliveryState.DEAD,
    }


def _id(store: Store, seq: int) -> str:
    return f"evt_{seq:016x}{store.writing.allocate(Wall(0.0))[1][-10:]}"
