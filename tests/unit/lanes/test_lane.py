"""A lane's workers: what ends them, what does not, and what becomes of deliveries when it stops."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import pytest

from relay.clock import Wall, steady
from relay.delivery.retry import by_schedule
from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState, Event
from relay.lanes.lane import Lane
from relay.lanes.partitions import Partitions
from relay.lanes.room import Room
from relay.metrics.series import Metrics
from relay.routing.recent import RecentBodies
from relay.routing.route import Forward, Route
from relay.routing.transform import Outgoing
from relay.stores.contract import Delivering
from relay.stores.records import Settle
from relay.targets.target import LaneOptions, Target
from tests.support.waiting import DEADLINE

OPTIONS = LaneOptions("hook", by_schedule((), 0.0, 3600.0), concurrency=1)
ROUTES: Mapping[str, Route] = {"in": Route("in", "/in/in", {}, (Forward("hook", "hook"),))}
ANSWER = Attempt(Wall(1_700_000_000.0), 0.25, 200)


class Hook:
    """A target that notes each attempt; `answers` has those that it does not answer by 200."""

    def __init__(self, answers: Mapping[int, Callable[[], Awaitable[Attempt]]]) -> None:
        self.sent: list[int] = []
        self.in_flight = 0
        self.closed = False
        self.cut_off = 0  # attempts that were in flight when it was closed
        self._answers = answers

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Note it, and answer."""
        self.sent.append(delivery.event.seq)
        answer = self._answers.get(delivery.event.seq)
        self.in_flight += 1
        try:
            return ANSWER if answer is None else await answer()
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        """Note it."""
        self.closed = True
        self.cut_off = self.in_flight


class Settles:
    """A store on whose disk each settlement is at once."""

    def __init__(self) -> None:
        self.reasons: dict[int, DeliveryReason | None] = {}
        self._more = asyncio.Event()

    def settle(self, settle: Settle) -> None:
        """Note it."""
        assert settle.settlement.state is not DeliveryState.PENDING
        self.reasons[settle.delivery.event.seq] = settle.settlement.reason
        settle.settled()
        self._more.set()

    async def wait_for(self, count: int) -> None:
        """Return once so many deliveries are settled."""
        async with asyncio.timeout(DEADLINE):
            while len(self.reasons) < count:
                self._more.clear()
                await self._more.wait()


def make_lane(hook: Hook, store: Settles, options: LaneOptions = OPTIONS) -> Lane:
    metrics = Metrics()
    metrics.add_target("hook")
    return Lane(
        options,
        cast("Target", hook),
        cast("Delivering", store),
        Room(1 << 20),
        metrics,
        ROUTES.get,
        RecentBodies(),
        token=7,
    )


def hand(to: Lane, seq: int) -> Delivery:
    """Reserve a place for a delivery, and hand it over as if it had been committed."""
    event = Event(seq, f"evt_{seq}", "in", "", "", "", "", Wall(1_700_000_000.0), {}, {}, b"{}")
    delivery = Delivery(event, 0, "hook", "hook", 0, steady(), to.token)
    assert to.reserve(delivery, 2)
    to.hand(delivery)
    return delivery


async def fault() -> Attempt:
    raise RuntimeError("ours")


async def gone() -> Attempt:
    return ANSWER._replace(status=410)


async def test_a_fault_of_our_own_does_not_end_the_lane() -> None:
    """The delivery that met it keeps its place; those after it go on."""
    hook, store = Hook({1: fault}), Settles()
    lane = make_lane(hook, store)
    for seq in range(3):
        hand(lane, seq)
    await store.wait_for(2)
    assert hook.sent == [0, 1, 2]
    assert store.reasons == {0: None, 2: None}
    assert lane.in_memory == 1
    await lane.stop(0)


async def test_a_stopped_lane_drops_its_deliveries_without_settling_them() -> None:
    """The one in flight is cut off after the grace time; none costs an attempt or is dead."""
    began, never = asyncio.Event(), asyncio.Event()

    async def hangs() -> Attempt:
        began.set()
        await never.wait()
        return ANSWER

    hook, store = Hook({0: hangs}), Settles()
    lane = make_lane(hook, store)
    first, *_ = [hand(lane, seq) for seq in range(3)]
    await asyncio.wait_for(began.wait(), DEADLINE)
    await lane.stop(0)
    assert (hook.sent, hook.closed, store.reasons) == ([0], True, {})
    assert not lane.reserve(first, 2)


async def test_a_removed_lane_ends_all_deliveries_that_it_has() -> None:
    """The one in flight, those that wait, and one that was not yet committed: `target_removed`."""
    began, never = asyncio.Event(), asyncio.Event()

    async def hangs() -> Attempt:
        began.set()
        await never.wait()
        return ANSWER

    hook, store = Hook({0: hangs}), Settles()
    lane = make_lane(hook, store)
    event = Event(3, "evt_3", "in", "", "", "", "", Wall(1_700_000_000.0), {}, {}, b"{}")
    late = Delivery(event, 0, "hook", "hook", 0, steady(), lane.token)
    assert lane.reserve(late, 2)
    for seq in range(3):
        hand(lane, seq)
    await asyncio.wait_for(began.wait(), DEADLINE)
    await lane.remove(0)
    lane.hand(late)
    assert store.reasons == dict.fromkeys(range(4), DeliveryReason.TARGET_REMOVED)
    assert (hook.sent, lane.in_memory) == ([0], 0)


async def test_an_attempt_in_flight_keeps_its_connections_through_a_reload() -> None:
    """They are closed once it has ended; the next attempt goes to the target opened anew."""
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def waits() -> Attempt:
        began.set()
        await goes_on.wait()
        return ANSWER

    before, after, store = Hook({0: waits}), Hook({}), Settles()
    lane = make_lane(before, store)
    hand(lane, 0)
    hand(lane, 1)
    await asyncio.wait_for(began.wait(), DEADLINE)
    lane.change(OPTIONS, lambda: cast("Target", after))
    goes_on.set()
    await store.wait_for(2)
    await lane.stop(DEADLINE)
    assert (before.sent, after.sent) == ([0], [1])
    assert (before.closed, before.cut_off) == (True, 0)


@pytest.mark.parametrize("count", [1, 3])
async def test_a_target_that_is_gone_is_paused_in_all_its_lanes(count: int) -> None:
    """410 from one partition: no other begins an attempt until the target is resumed."""
    hook, store = Hook({0: gone}), Settles()
    lanes = [make_lane(hook, store) for _ in range(count)]
    target = Partitions(lanes)
    hand(lanes[0], 0)
    await store.wait_for(1)
    assert store.reasons == {0: DeliveryReason.GONE}
    assert [lane.paused for lane in lanes] == [True] * count
    hand(lanes[-1], 1)
    await asyncio.gather(*(lane.stop(0) for lane in lanes))
    assert hook.sent == [0]
    assert target.paused
