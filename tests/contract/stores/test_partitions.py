"""Targets that are divided into lanes: each row is its lane's, also after another division."""

from collections.abc import Sequence

from relay.event import Event, Owed, partition_of
from relay.stores.contract import Store
from relay.stores.records import Append
from relay.stores.sqlite.division import MOVED
from tests.contract.stores.engine import NOW, Appender, Engine, after, dead, settle, soon

LATER = after(100)
MANY = 10**9


async def append(
    appender: Appender, keys: Sequence[str], partitions: int, *, held: bool = False
) -> list[Event]:
    """Append an event a key, each to the target `hot` that is divided into `partitions`."""
    events = [appender.event(key=key) for key in keys]
    futures = [
        appender.store.writing.append(
            Append(
                event,
                (Owed("hot", "hot", partition=partition_of(event.key, event.id, partitions)),),
                (held,),
                NOW,
            ),
            lambda: None,
            lambda: None,
        )
        for event in events
    ]
    for future in futures:
        assert await soon(future) == ""
    return events


async def lanes(store: Store, partitions: int) -> list[set[str]]:
    """Claim all there is, and return the keys that each lane got."""
    claims = [await store.delivering.claim("hot", LATER, MANY, MANY, n) for n in range(partitions)]
    return [{own.event.key or own.event.id for own in claim.deliveries} for claim in claims]


def expected(events: Sequence[Event], partitions: int) -> list[set[str]]:
    """Return which keys belong to which lane."""
    keys: list[set[str]] = [set() for _ in range(partitions)]
    for event in events:
        keys[partition_of(event.key, event.id, partitions)].add(event.key or event.id)
    return keys


async def test_each_lane_claims_its_own(store: Store, appender: Appender) -> None:
    """A claim of a lane gives what belongs to it, and tells when its own next one is due."""
    assert await store.delivering.divide("hot", 4) == 0
    events = await append(appender, [f"key-{n}" for n in range(40)], 4)
    wanted = expected(events, 4)
    assert all(wanted)
    assert (await store.delivering.claim("hot", after(-1), 10, MANY, 2)).next_due == NOW
    assert (await store.delivering.claim("hot", after(-1), 10, MANY, 5)).next_due is None
    assert await lanes(store, 4) == wanted


async def test_what_was_in_memory_is_found_in_its_lane(engine: Engine) -> None:
    """After a crash, a delivery without a row comes back in the lane that held it."""
    store = await engine.open()
    await store.delivering.divide("hot", 3)
    events = await append(Appender(store), [f"key-{n}" for n in range(20)], 3, held=True)
    await engine.close(store)
    assert await lanes(await engine.open(), 3) == expected(events, 3)


async def test_other_division_moves_what_waits(engine: Engine) -> None:
    """More lanes, fewer, or one: every pending delivery is where the new division has it."""
    store = await engine.open()
    await store.delivering.divide("hot", 4)
    keys = [f"key-{n}" for n in range(MOVED + 50)] + [""] * 5
    events = await append(Appender(store), keys, 4)
    for partitions in (3, 7, 1):
        assert await store.delivering.divide("hot", partitions) > MOVED
        assert await store.delivering.divide("hot", partitions) == 0
        assert await lanes(store, partitions) == expected(events, partitions)
        await engine.close(store)
        store = await engine.open()


async def test_replay_goes_to_the_lane_of_today(store: Store, appender: Appender) -> None:
    """A dead letter from before another division is replayed in the lane of its key now."""
    key = next(
        key
        for key in map(str, range(100))
        if partition_of(key, "", 2) == 1 < partition_of(key, "", 8)
    )
    await store.delivering.divide("hot", 8)
    (event,) = await append(appender, [key], 8)
    (before,) = (
        await store.delivering.claim("hot", LATER, 1, MANY, partition_of(key, "", 8))
    ).deliveries
    await settle(store, before, dead())
    await store.delivering.divide("hot", 2)
    assert await store.operating.replay(event.seq, 0, LATER)
    assert await lanes(store, 2) == expected([event], 2)


async def test_division_of_every_target_is_told_at_once(store: Store, appender: Appender) -> None:
    """Only what is divided is named, as it was divided last."""
    assert dict(await store.delivering.divided()) == {}
    await append(appender, ["key"], 1)
    await store.delivering.divide("hot", 3)
    await store.delivering.divide("hot", 4)
    assert dict(await store.delivering.divided()) == {"hot": 4}


async def test_what_is_due_too_late_is_found_in_every_lane(
    store: Store, appender: Appender
) -> None:
    """Whatever the lanes' numbers are, and also where a lane has nothing."""
    events = await append(appender, [f"key-{n}" for n in range(20)], 64)
    assert len({partition_of(event.key, event.id, 64) for event in events}) > 5
    assert await store.delivering.hasten({"hot": 50.0, "none": 50.0}, after(-100)) == 20
    assert (
        await store.delivering.claim("hot", after(-101), 10, MANY, partition_of("key-0", "", 64))
    ).next_due == NOW - 100
    assert await lanes(store, 64) == expected(events, 64)
