"""prune: what is old and needed by nothing goes, a little at a time; what is owed never does."""

import math
import time

import pytest

from relay.clock import Steady
from relay.errors import DeliveryReason
from relay.event import Event
from relay.stores.contract import Store
from relay.stores.records import Retention
from tests.contract.stores.engine import (
    DELIVERED,
    DROPPED,
    NOW,
    Appender,
    Engine,
    after,
    dead,
    retry,
    settle,
)

DAY = 86400.0
WEEK = Retention(events=7 * DAY, dead=30 * DAY)


async def there(store: Store, *events: Event) -> list[bool]:
    return [bool(await store.asking.find(event.id)) for event in events]


async def prune(store: Store, retention: Retention = WEEK, now: float = NOW + 8 * DAY) -> int:
    gone, beyond = 0, 0
    while True:
        pruned = await store.operating.prune(retention, Steady(now), beyond, 100)
        gone += pruned.events
        beyond = pruned.beyond
        if not beyond:
            return gone


async def test_ended_events_go_when_they_are_old(store: Store, appender: Appender) -> None:
    """Delivered, dropped, owing nothing: past their time such events go with all their rows."""
    delivered = await appender.append({"inbox": True})
    dropped = await appender.append({"inbox": True})
    nothing = await appender.append({})
    young = await appender.append({}, now=NOW + 2 * DAY)
    await settle(store, appender.held(delivered), DELIVERED)
    await settle(store, appender.held(dropped), DROPPED)
    assert await prune(store) == 3
    assert await there(store, delivered, dropped, nothing, young) == [False, False, False, True]
    assert await prune(store) == 0


@pytest.mark.parametrize("how", ["held", "waiting", "claimed", "retried", "replayed"])
async def test_what_is_owed_stays_for_good(store: Store, appender: Appender, how: str) -> None:
    """However old, an event with something pending stays: nothing accepted is lost."""
    event = await appender.append({"inbox": how not in {"waiting", "claimed"}, "chat": True})
    await settle(store, appender.held(event, 1, "chat"), DELIVERED)
    if how == "claimed":
        assert (await store.delivering.claim("inbox", NOW, 1, 10**9)).deliveries
    elif how == "retried":
        await settle(store, appender.held(event), retry(NOW + 60))
    elif how == "replayed":
        await settle(store, appender.held(event), DELIVERED)
        assert await store.operating.replay(event.seq, 0, after(1))
    assert await prune(store, now=NOW + 1000 * DAY) == 0
    assert await there(store, event) == [True]


async def test_held_event_stays_after_reopen(
    engine: Engine, store: Store, appender: Appender
) -> None:
    """A delivery in memory when the process ended is owed as much as any other."""
    event = await appender.append({"inbox": True})
    await engine.close(store)
    reopened = await engine.open()
    assert await prune(reopened, now=NOW + 1000 * DAY) == 0
    assert await there(reopened, event) == [True]


async def test_dead_letters_stay_longer(store: Store, appender: Appender) -> None:
    """An event with a dead letter stays as long as dead letters do, counted from its end."""
    event = await appender.append({"inbox": True})
    await settle(store, appender.held(event), dead(DeliveryReason.TIMEOUT), at=NOW + 5 * DAY)
    assert await prune(store, now=NOW + 34 * DAY) == 0
    assert await prune(store, now=NOW + 36 * DAY) == 1
    assert (await store.asking.counts()).dead == {}


async def test_route_may_have_a_time_of_its_own(store: Store, appender: Appender) -> None:
    """One route's events go sooner, another's are kept for good."""
    usual = await appender.append({}, route="usual")
    short = await appender.append({}, route="short")
    good = await appender.append({}, route="good")
    retention = Retention(7 * DAY, 30 * DAY, {"short": DAY, "good": math.inf})
    assert await prune(store, retention, NOW + 2 * DAY) == 1
    assert await there(store, usual, short, good) == [True, False, True]
    assert await prune(store, retention, NOW + 10_000 * DAY) == 1
    assert await there(store, usual, short, good) == [False, False, True]


async def test_everything_may_be_kept_for_good(store: Store, appender: Appender) -> None:
    """Infinity is for good."""
    event = await appender.append({})
    assert await prune(store, Retention(math.inf, math.inf), NOW + 10_000 * DAY) == 0
    assert await there(store, event) == [True]


async def test_event_stays_while_its_id_counts_as_seen(store: Store, appender: Appender) -> None:
    """A duplicate must be able to name the first event, which may go once the window is past."""
    now = time.time()  # deduplication asks the real clock
    seen = await appender.append({}, now=now - 10 * DAY, dedupe_id="seen", until=now + DAY)
    past = await appender.append({}, now=now - 9 * DAY, dedupe_id="past", until=now - DAY)
    assert await prune(store, now=now) == 1
    assert await there(store, seen, past) == [True, False]


async def test_a_limit_of_events_is_looked_at(store: Store, appender: Appender) -> None:
    """One step looks at a few and tells where to go on; the last one tells that it is the last."""
    events = [await appender.append({"inbox": False} if n % 2 else {}) for n in range(6)]
    steps = []
    beyond = 0
    while True:
        pruned = await store.operating.prune(WEEK, after(8 * DAY), beyond, 2)
        steps.append(pruned.events)
        if not pruned.beyond:
            break
        beyond = pruned.beyond
    assert sum(steps) == 3
    assert max(steps) == 1
    assert await there(store, *events) == [False, True, False, True, False, True]
