"""events, dead and counts: what people and gauges are told."""

import pytest

from relay.errors import DeliveryReason
from relay.stores.contract import Store
from relay.stores.records import Query
from tests.contract.stores.engine import DELIVERED, NOW, Appender, dead, settle


async def test_events_are_listed_newest_first(store: Store, appender: Appender) -> None:
    """With their deliveries, and no more than asked for."""
    events = [await appender.append(now=NOW + n) for n in range(5)]
    listed = await store.asking.events(Query(limit=3))
    assert [record.event.id for record in listed] == [event.id for event in reversed(events[2:])]
    assert all(len(record.deliveries) == 1 for record in listed)


async def test_events_are_paged(store: Store, appender: Appender) -> None:
    """`before` goes on where the last page ended; all pages together are all events, once each."""
    events = [await appender.append() for _ in range(7)]
    seen: list[str] = []
    before = 0
    while page := await store.asking.events(Query(before=before, limit=3)):
        seen += [record.event.id for record in page]
        before = page[-1].event.seq
    assert seen == [event.id for event in reversed(events)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(route="hello"), [2, 0]),
        (Query(route="github"), [1]),
        (Query(type="push"), [1, 0]),
        (Query(route="hello", type="push"), [0]),
        (Query(route="nowhere"), []),
        (Query(type="' OR 1=1 --"), []),
    ],
)
async def test_events_are_filtered(
    store: Store, appender: Appender, query: Query, expected: list[int]
) -> None:
    """By route, by type, by both; text is text and never SQL."""
    events = [
        await appender.append(route="hello", type="push"),
        await appender.append(route="github", type="push"),
        await appender.append(route="hello", type="tag"),
    ]
    assert [record.event.id for record in await store.asking.events(query)] == [
        events[n].id for n in expected
    ]


async def test_dead_letters_are_listed_filtered_and_paged(store: Store, appender: Appender) -> None:
    """By target, reason and route, the newest events' first; nothing that lives is among them."""
    first = await appender.append({"inbox": True, "chat": True}, route="hello")
    second = await appender.append({"inbox": True, "chat": True}, route="github")
    third = await appender.append({"inbox": True, "chat": True}, route="hello")
    await settle(
        store, appender.held(first, 0, "inbox"), dead(DeliveryReason.TIMEOUT), detail="slow"
    )
    await settle(store, appender.held(first, 1, "chat"), dead(DeliveryReason.GONE))
    await settle(store, appender.held(second, 0, "inbox"), dead(DeliveryReason.GONE))
    await settle(store, appender.held(third, 0, "inbox"), DELIVERED)
    await settle(store, appender.held(third, 1, "chat"), dead(DeliveryReason.TIMEOUT))

    async def listed(query: Query) -> list[tuple[str, str]]:
        return [(letter.event_id, letter.target) for letter in await store.asking.dead(query)]

    letters = [(third.id, "chat"), (second.id, "inbox"), (first.id, "inbox"), (first.id, "chat")]
    assert await listed(Query()) == letters
    assert await listed(Query(target="inbox")) == [letters[1], letters[2]]
    assert await listed(Query(reason="timeout")) == [letters[0], letters[2]]
    assert await listed(Query(route="hello", reason="gone")) == [letters[3]]
    assert await listed(Query(target="inbox", reason="gone", route="hello")) == []
    assert await listed(Query(limit=2)) == letters[:2]
    assert await listed(Query(before=second.seq)) == letters[2:]
    (slow,) = await store.asking.dead(Query(target="inbox", reason="timeout"))
    assert (slow.detail, slow.forward, slow.attempts) == ("slow", "to-inbox", 1)


async def test_all_dead_letters_of_an_event_can_be_paged_through(
    store: Store, appender: Appender
) -> None:
    """Pages that end within an event lose none of its dead letters."""
    targets = [f"t{n}" for n in range(5)]
    for _ in range(2):
        event = await appender.append(dict.fromkeys(targets, True))
        for n, target in enumerate(targets):
            await settle(store, appender.held(event, n, target), dead())
    seen: set[tuple[str, int]] = set()
    before = 0
    while page := await store.asking.dead(Query(before=before, limit=3)):
        fresh = {(letter.event_id, letter.n) for letter in page} - seen
        assert fresh, "the page repeats what was there"
        seen |= fresh
        (last,) = await store.asking.find(page[-1].event_id)
        before = last.event.seq
    assert len(seen) == 10


async def test_counts_tell_what_waits_and_what_is_dead(store: Store, appender: Appender) -> None:
    """By target, and by target and reason; the oldest with its time of arrival."""
    await appender.append({"inbox": False, "chat": False}, now=NOW)
    await appender.append({"inbox": False}, now=NOW + 60)
    await store.delivering.claim("inbox", NOW, 1, 10**9)
    ended = await appender.append({"inbox": True, "chat": True, "crm": True})
    await settle(store, appender.held(ended, 0, "inbox"), dead(DeliveryReason.GONE))
    await settle(store, appender.held(ended, 1, "chat"), dead(DeliveryReason.TIMEOUT))
    await settle(store, appender.held(ended, 2, "crm"), DELIVERED)
    counts = await store.asking.counts()
    assert counts.pending == {"inbox": 2, "chat": 1}
    assert counts.oldest == {
        "inbox": pytest.approx(NOW, abs=0.01),
        "chat": pytest.approx(NOW, abs=0.01),
    }
    assert counts.dead == {("inbox", "gone"): 1, ("chat", "timeout"): 1}
    assert counts.bytes > 0


async def test_empty_store_counts_nothing(store: Store) -> None:
    """There is nothing to tell of a new store."""
    counts = await store.asking.counts()
    assert (counts.pending, counts.oldest, counts.dead) == ({}, {}, {})


async def test_engine_tells_its_name_and_version(store: Store) -> None:
    """`relay version` can say what keeps the events."""
    info = await store.asking.info()
    assert info["store"]
    assert int(info["schema"]) >= 1
