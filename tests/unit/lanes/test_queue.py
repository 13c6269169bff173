"""A lane's queue: read from the store when it is low and a delivery is due, and never stuck."""

import asyncio
import math
from collections.abc import Callable
from typing import cast

import pytest

from relay.clock import Steady, Wall, steady
from relay.errors import StoreUnavailable
from relay.event import Delivery, Event
from relay.lanes.queue import REFILL, Queue
from relay.stores.contract import Delivering
from relay.stores.records import Claim

EVENT = Event(1, "evt_1", "in", "", "", "", "", Wall(1_700_000_000.0), {}, {}, b"")
HOUR = 3600.0


def deliveries(count: int) -> list[Delivery]:
    return [Delivery(EVENT, n, "hook", "hook", 0, steady(), 7) for n in range(count)]


class Claims:
    """A store that answers each claim by the next of its answers, or raises it."""

    def __init__(self, *answers: Claim | Exception) -> None:
        self.answers = list(answers)
        self.limits: list[int] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def claim(self, target: str, now: float, limit: int, size: int, partition: int) -> Claim:
        """Note how many were wanted; let happen what happens meanwhile."""
        self.limits.append(limit)
        self.meanwhile()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def queue(claims: Claims) -> tuple[Queue, asyncio.Event]:
    poked = asyncio.Event()
    return Queue(cast("Delivering", claims), "hook", 0, poked), poked


async def test_a_new_queue_reads_the_store_at_once() -> None:
    """Whatever stood in the store before the start is found."""
    lane_queue, _ = queue(Claims(Claim(deliveries(2), None)))
    assert lane_queue.until_refill(REFILL) == 0
    await lane_queue.refill(REFILL)
    assert [delivery.n for delivery in lane_queue.waiting] == [0, 1]
    assert lane_queue.until_refill(REFILL) == math.inf


async def test_the_store_is_read_again_when_its_next_delivery_is_due() -> None:
    """Not before, and sooner if one is due sooner."""
    lane_queue, poked = queue(Claims(Claim([], Steady(steady() + 2 * HOUR))))
    await lane_queue.refill(REFILL)
    assert HOUR < lane_queue.until_refill(REFILL) <= 2 * HOUR
    poked.clear()
    lane_queue.wake(Steady(steady() + 3 * HOUR))
    assert not poked.is_set()
    assert HOUR < lane_queue.until_refill(REFILL) <= 2 * HOUR
    lane_queue.wake(Steady(steady() + HOUR))
    assert poked.is_set()
    assert 0 < lane_queue.until_refill(REFILL) <= HOUR


@pytest.mark.parametrize("next_due", [None, Steady(1e12)])
async def test_a_delivery_that_comes_during_a_refill_is_not_missed(
    next_due: Steady | None,
) -> None:
    """The store may have looked before it came: it is asked once more."""
    claims = Claims(Claim([], next_due))
    lane_queue, _ = queue(claims)
    claims.meanwhile = lambda: lane_queue.wake(steady())
    await lane_queue.refill(REFILL)
    assert lane_queue.until_refill(REFILL) == 0


async def test_a_store_that_cannot_be_read_is_read_again_soon() -> None:
    """Nothing tells when it can: so in a second, not at once and not never."""
    lane_queue, _ = queue(Claims(StoreUnavailable("locked")))
    await lane_queue.refill(REFILL)
    assert 0 < lane_queue.until_refill(REFILL) <= 1


@pytest.mark.parametrize(("most", "claimed"), [(1, 1), (REFILL, REFILL), (1 << 30, REFILL)])
async def test_a_lane_claims_as_many_as_it_has_use_for(most: int, claimed: int) -> None:
    """One for a probe, a part of the backlog for a target that is well."""
    claims = Claims(Claim([], None))
    lane_queue, _ = queue(claims)
    await lane_queue.refill(most)
    assert claims.limits == [claimed]


async def test_a_queue_that_is_not_low_waits_for_its_lane() -> None:
    """The store has more, and yet is not read before the queue is worked off."""
    lane_queue, _ = queue(Claims(Claim(deliveries(3), steady())))
    await lane_queue.refill(3)
    assert lane_queue.until_refill(3) == math.inf
    assert not lane_queue.is_low(3)
    lane_queue.waiting.popleft()
    assert lane_queue.is_low(3)
    assert lane_queue.until_refill(3) == 0


async def test_a_queue_is_behind_while_older_deliveries_wait_in_the_store() -> None:
    """Then new ones leave the memory to them."""
    due = steady()
    lane_queue, _ = queue(Claims(Claim([], due)))
    await lane_queue.refill(REFILL)
    assert lane_queue.is_behind(due)
    assert not lane_queue.is_behind(due - 1)
