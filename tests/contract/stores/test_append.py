"""append, find and deduplication."""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.clock import Wall
from relay.errors import StoreUnavailable
from relay.event import DeliveryState, Event, parse_id
from relay.stores.contract import Store
from relay.stores.records import Commit
from tests.contract.stores.engine import NOW, Appender, Engine, soon

LATER = time.time() + 3600  # deduplication asks the real clock
EARLIER = time.time() - 1


async def stored(store: Store, event: Event) -> Event:
    (record,) = await store.asking.find(event.id)
    return record.event


async def test_what_is_appended_is_found_whole(store: Store, appender: Appender) -> None:
    """An event comes back to the byte, with its facts, headers and query."""
    event = await appender.append(
        route="hello", sender="hue", type="push", key="Thừa Thiên Huế", dedupe_id="msg_1",
        raw=bytes(range(256)),
        headers={"content-type": "text/x; a=b", "x-empty": "", "x-colons": "a: b:c",
                 "x-raw": "\udcff", "x-utf8": "ä"},
        query={"q": "1", "empty": "", "a b": "c&d=e", "ä": "ö"}, now=NOW + 0.123,
    )  # fmt: skip
    (record,) = await store.asking.find(event.id)
    assert record.event == event
    assert record.quarantined is False


async def test_what_is_owed_is_pending(store: Store, appender: Appender) -> None:
    """Each delivery is there from the start, in the order of the forwards, in memory or not."""
    event = await appender.append({"inbox": True, "chat": False, "crm": True})
    (record,) = await store.asking.find(event.id)
    assert [(d.n, d.target, d.forward) for d in record.deliveries] == [
        (0, "inbox", "to-inbox"), (1, "chat", "to-chat"), (2, "crm", "to-crm"),
    ]  # fmt: skip
    assert {(d.state, d.attempts, d.reason, d.due) for d in record.deliveries} == {
        (DeliveryState.PENDING, 0, "", NOW)
    }


async def test_event_that_owes_nothing_is_kept(store: Store, appender: Appender) -> None:
    """An event that no forward takes is stored all the same."""
    event = await appender.append({})
    (record,) = await store.asking.find(event.id)
    assert record.deliveries == ()


async def test_quarantined_event_is_marked(store: Store, appender: Appender) -> None:
    """An event in quarantine can be told from an accepted one."""
    event = appender.event()
    await soon(appender.start(event, {}, quarantined=True))
    (record,) = await store.asking.find(event.id)
    assert record.quarantined is True


async def test_committed_is_called_before_the_answer(appender: Appender) -> None:
    """When the waiter goes on, the deliveries are already in their lanes."""
    event = appender.event()
    future = appender.start(event)
    seen: list[list[str]] = []
    future.add_done_callback(lambda _: seen.append(list(appender.committed)))
    await soon(future)
    await asyncio.sleep(0)
    assert seen == [[event.id]]
    assert appender.not_committed == []


async def test_unknown_id_is_not_found(store: Store, appender: Appender) -> None:
    """Neither another store's id nor any other text finds something."""
    event = await appender.append()
    other = event.id[:-1] + ("0" if event.id[-1] != "0" else "1")
    for text in (other, "evt_" + "f" * 26, "nothing", "", "%", event.id.upper(), "\udcff", "a\0b"):
        assert await store.asking.find(text) == []


async def test_huge_number_in_an_id_is_not_found(store: Store, appender: Appender) -> None:
    """An id of this very store with a number beyond any event's is simply not there."""
    event = await appender.append()
    assert await store.asking.find("evt_" + "f" * 16 + event.id[-10:]) == []


async def test_ids_rise_and_name_their_store(store: Store) -> None:
    """Numbers rise with each event, also when the clock stands still or goes back."""
    ids = [store.writing.allocate(Wall(now))[1] for now in (NOW, NOW, NOW - 3600, NOW + 1)]
    assert ids == sorted(set(ids))
    tags = {parsed[1] for text in ids if (parsed := parse_id(text))}
    assert len(tags) == 1


async def test_ids_go_on_rising_after_reopen(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """After a restart with a clock that went back, ids still rise, under the store's own tag."""
    before = await appender.append(now=NOW + 1000)
    await engine.close(store)
    seq, event_id = (await engine.open()).writing.allocate(Wall(NOW))
    assert seq > before.seq
    assert event_id > before.id
    assert event_id[-10:] == before.id[-10:]


async def test_duplicate_in_one_batch(store: Store, appender: Appender) -> None:
    """Of several with one id that arrive together, the first is stored and the others name it."""
    events = [appender.event(dedupe_id="same", raw=str(n).encode()) for n in range(5)]
    answers = await soon(asyncio.gather(*(appender.start(event, until=LATER) for event in events)))
    assert answers == ["", *[events[0].id] * 4]
    assert appender.committed == [events[0].id]
    assert sorted(appender.not_committed) == sorted(event.id for event in events[1:])
    assert (await stored(store, events[0])).raw == b"0"
    for event in events[1:]:
        assert await store.asking.find(event.id) == []


async def test_duplicate_in_a_later_batch(store: Store, appender: Appender) -> None:
    """The same id again is answered with the first event's id; nothing is stored or owed."""
    first = await appender.append({"inbox": False}, dedupe_id="same", until=LATER)
    again = appender.event(dedupe_id="same", raw=b"other")
    assert await soon(appender.start(again, until=LATER)) == first.id
    assert appender.not_committed == [again.id]
    assert (await store.asking.counts()).pending == {"inbox": 1}
    assert (await stored(store, first)).raw == first.raw


async def test_duplicate_after_reopen(engine: Engine, store: Store, appender: Appender) -> None:
    """An id that counts as seen still does after a restart."""
    first = await appender.append(dedupe_id="same", until=LATER)
    await engine.close(store)
    again = Appender(await engine.open())
    assert await soon(again.start(again.event(dedupe_id="same"), until=LATER)) == first.id


async def test_same_id_after_the_window_is_a_new_event(appender: Appender) -> None:
    """Once the window has passed, the id counts as new, and from then on as seen again."""
    first = await appender.append(dedupe_id="same", until=EARLIER)
    second = await appender.append(dedupe_id="same", until=LATER)
    assert second.id != first.id
    third = appender.event(dedupe_id="same")
    assert await soon(appender.start(third, until=LATER)) == second.id


@pytest.mark.parametrize("facts", [{"route": "other"}, {"sender": "hue"}, {"dedupe_id": "Same"}])
async def test_ids_are_the_senders_own(appender: Appender, facts: dict[str, Any]) -> None:
    """The same id on another route, from another sender, or in another case is another event."""
    await appender.append(dedupe_id="same", until=LATER)
    await appender.append(until=LATER, **{"dedupe_id": "same"} | facts)


async def test_without_a_window_nothing_is_a_duplicate(appender: Appender) -> None:
    """Routes without deduplication store what comes, however often."""
    await appender.append(dedupe_id="same")
    await appender.append(dedupe_id="same")


async def test_event_is_found_by_the_senders_id(store: Store, appender: Appender) -> None:
    """`relay why` takes the id that the sender knows, too."""
    first = await appender.append(dedupe_id="same", until=LATER)
    second = await appender.append(dedupe_id="same", route="other", until=LATER)
    assert [record.event.id for record in await store.asking.find("same")] == [second.id, first.id]


async def test_many_appends_share_commits(engine: Engine) -> None:
    """Group commit: what arrives together is synced together; every event is there afterwards."""
    commits: list[Commit] = []
    store = await engine.open(observe=commits.append)
    appender = Appender(store)
    events = [appender.event(raw=str(n).encode()) for n in range(500)]
    answers = await soon(asyncio.gather(*(appender.start(event) for event in events)))
    assert set(answers) == {""}
    assert sum(commit.operations for commit in commits) == 500
    assert len(commits) < 50
    assert all(commit.duration > 0 for commit in commits)
    assert (await store.asking.counts()).pending == {"inbox": 500}
    assert store.writing.waiting == 0


async def test_more_than_one_batch_holds(engine: Engine) -> None:
    """More than fits one transaction is committed in several, in order."""
    commits: list[Commit] = []
    store = await engine.open(observe=commits.append)
    appender = Appender(store)
    events = [appender.event() for _ in range(2500)]
    futures = [appender.start(event, {"inbox": True, "chat": False}) for event in events]
    assert store.writing.waiting == 2500
    await soon(asyncio.gather(*futures))
    assert appender.committed == [event.id for event in events]
    assert len(commits) >= 3
    assert (await store.asking.counts()).pending["chat"] == 2500


async def test_closing_commits_what_waits(engine: Engine, store: Store, appender: Appender) -> None:
    """Events put before the end are on disk after it, and their waiters go on."""
    futures = [appender.start(appender.event()) for _ in range(20)]
    await engine.close(store)
    assert [await soon(future) for future in futures] == [""] * 20
    assert len(appender.committed) == 20
    assert (await (await engine.open()).asking.counts()).pending == {"inbox": 20}


async def test_waiter_that_went_away_changes_nothing(store: Store, appender: Appender) -> None:
    """A request that was cancelled meanwhile is stored like any other: its sender may think so."""
    event = appender.event()
    appender.start(event).cancel()
    await appender.append()
    assert await stored(store, event) == event
    assert appender.committed[0] == event.id


ODD: dict[str, dict[str, Any]] = {
    "query": {"query": {"a": "\udcff"}},
    "query-key": {"query": {"\udcff": "a"}},
    "header": {"headers": {"x-a": "\ud800"}},
    "type": {"type": "\ud800"},
    "key": {"key": "a\0b"},
    "dedupe-id": {"dedupe_id": "\udcff"},
}


@pytest.mark.parametrize("facts", ODD.values(), ids=ODD.keys())
async def test_event_that_cannot_be_written_hinders_no_other(
    appender: Appender, facts: dict[str, Any]
) -> None:
    """Text that no database takes is stored in some form or refused; all others are served."""
    odd = appender.start(appender.event(**facts), until=LATER)
    beside = appender.start(appender.event())
    done, _ = await asyncio.wait({odd, beside}, timeout=2)
    assert odd in done, "nobody is told what became of it"
    assert beside in done
    if odd.exception() is not None:
        assert isinstance(odd.exception(), StoreUnavailable)
        assert beside.exception() is None or isinstance(beside.exception(), StoreUnavailable)
    await appender.append()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=30,
)
@given(
    body=st.binary(max_size=100),
    headers=st.dictionaries(st.from_regex(r"[a-z0-9!#$-]{1,12}", fullmatch=True), TEXT, max_size=4),
    query=st.dictionaries(TEXT, TEXT, max_size=4),
    kind=TEXT,
)
async def test_any_event_comes_back(
    store: Store, body: bytes, headers: dict[str, str], query: dict[str, str], kind: str
) -> None:
    """Whatever headers, query and body hold, they come back as they were."""
    appender = Appender(store)
    event = await appender.append({}, raw=body, headers=headers, query=query, type=kind)
    assert await stored(store, event) == event
