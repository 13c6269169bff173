"""The way of one delivery: which steps it takes, in which order, and who learns of it when."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from relay.clock import Steady, Wall, steady
from relay.delivery.retry import by_schedule
from relay.delivery.settle import Attempt, Settlement
from relay.errors import DeliveryReason
from relay.event import Delivery, DeliveryState, Event
from relay.lanes.deliver import Deliverer
from relay.lanes.room import Places, Room
from relay.metrics.series import Metrics
from relay.routing.recent import RecentBodies
from relay.routing.route import Forward, Route
from relay.routing.transform import Outgoing
from relay.stores.contract import Delivering
from relay.stores.records import Settle
from relay.targets.target import LaneOptions, Target

HOUR = 3600.0
OPTIONS = LaneOptions("hook", by_schedule((HOUR,), 0.0, 24 * HOUR), concurrency=1)
ANSWERED = Attempt(Wall(1_700_000_000.0), 0.25, 200)
FAILED = ANSWERED._replace(status=500)
HELD = ANSWERED._replace(status=429, retry_after=60.0)


def raises(event: Event) -> Any:
    return event.body["missing"]


def drops(_: Event) -> Any:
    return None


ROUTE = Route(
    "in",
    "/in/in",
    {},
    (
        Forward("plain", "hook"),
        Forward("raises", "hook", transform=raises),
        Forward("drops", "hook", transform=drops),
    ),
)


class Steps:
    """A store, a target and a lane that note in which order they are called."""

    def __init__(self, attempt: Attempt | Exception = ANSWERED) -> None:
        self.steps: list[str] = []
        self.settles: list[Settle] = []
        self.woken: list[Steady] = []
        self.metrics = Metrics()
        self.metrics.add_target("hook")
        self.places = Places(Room(1 << 20))
        self.meanwhile: Callable[[], None] = lambda: None
        self._answer = attempt
        self.deliverer = Deliverer(
            OPTIONS,
            cast("Target", self),
            cast("Delivering", self),
            self.places,
            self.metrics,
            {"in": ROUTE}.get,
            RecentBodies(),
            self.heed,
            self.woken.append,
        )

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Note it, and answer or raise."""
        self.steps.append("send")
        self.meanwhile()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def heed(self, settlement: Settlement) -> None:
        """Note it."""
        self.steps.append("heed")

    def settle(self, settle: Settle) -> None:
        """Note it; `commit` says that it is on disk."""
        self.steps.append("settle")
        self.settles.append(settle)

    def commit(self) -> Settle:
        """Say that the one settlement is on disk, and return it."""
        (settle,) = self.settles
        settle.settled()
        return settle

    def counted(self, outcome: str, reason: str = "") -> float | None:
        """Return how many attempts were counted so."""
        labels = {"target": "hook", "outcome": outcome, "reason": reason}
        return self.metrics.registry.get_sample_value("relay_attempts_total", labels)


def delivery(
    forward: str = "plain", *, age: float = 0.0, ordering: str = "", route: str = "in"
) -> Delivery:
    event = Event(1, "evt_1", route, "", "", "", "", Wall(1_700_000_000.0), {}, {}, b'{"n": 1}')
    return Delivery(event, 0, forward, "hook", 0, Steady(steady() - age), 7, ordering)


async def test_steps_of_a_delivery_that_succeeds() -> None:
    """Sent, heeded, settled; it is counted, and its place given back, once it is on disk."""
    run = Steps()
    it = delivery()
    assert run.places.reserve(it, 100)
    await run.deliverer.deliver(it)
    assert run.steps == ["send", "heed", "settle"]
    assert run.counted("delivered") == 0
    assert it in run.places
    settle = run.commit()
    assert (settle.delivery, settle.attempt) == (it, ANSWERED)
    assert settle.settlement.state is DeliveryState.DELIVERED
    assert run.counted("delivered") == 1
    assert it not in run.places
    assert run.woken == []


@pytest.mark.parametrize("attempt", [FAILED, HELD])
async def test_a_retry_wakes_its_lane_once_it_is_on_disk(attempt: Attempt) -> None:
    """When the delivery is due, and not before the store knows of it."""
    run = Steps(attempt)
    await run.deliverer.deliver(delivery())
    assert run.steps == ["send", "heed", "settle"]
    assert run.woken == []
    settlement = run.commit().settlement
    assert settlement.state is DeliveryState.PENDING
    assert run.woken == [settlement.due]


@pytest.mark.parametrize(
    ("it", "state", "reason", "outcome"),
    [
        (delivery(age=25 * HOUR), DeliveryState.DEAD, DeliveryReason.EXPIRED, "dead"),
        (delivery("drops"), DeliveryState.DROPPED, None, "dropped"),
        (delivery("raises"), DeliveryState.DEAD, DeliveryReason.TRANSFORM_FAILED, "dead"),
        (delivery("gone"), DeliveryState.DEAD, DeliveryReason.TARGET_REMOVED, "dead"),
        (delivery(route="gone"), DeliveryState.DEAD, DeliveryReason.TARGET_REMOVED, "dead"),
    ],
    ids=["expired", "dropped", "transform raises", "no forward", "no route"],
)
async def test_a_delivery_that_is_not_sent_costs_no_attempt(
    it: Delivery, state: DeliveryState, reason: DeliveryReason | None, outcome: str
) -> None:
    """It is settled alone: nothing follows for its target."""
    run = Steps()
    await run.deliverer.deliver(it)
    assert run.steps == ["settle"]
    settlement = run.commit().settlement
    assert (settlement.state, settlement.reason, settlement.attempts) == (state, reason, 0)
    assert run.counted(outcome, reason.value if reason else "") == 1


@pytest.mark.parametrize(
    ("it", "detail"),
    [
        (delivery("raises"), "KeyError"),
        (delivery("gone"), "the route in has no forward gone any more"),
        (delivery(route="gone"), "there is no route gone any more"),
    ],
    ids=["transform raises", "no forward", "no route"],
)
async def test_an_operator_can_read_why_nothing_was_sent(it: Delivery, detail: str) -> None:
    """The record beside the dead letter says it."""
    run = Steps()
    await run.deliverer.deliver(it)
    attempt = run.commit().attempt
    assert attempt is not None
    assert detail in attempt.detail


@pytest.mark.parametrize(
    ("attempt", "wakes_now"), [(ANSWERED, True), (FAILED, False)], ids=["ended", "retry"]
)
async def test_the_next_of_an_order_goes_when_one_has_ended(
    attempt: Attempt, *, wakes_now: bool
) -> None:
    """At once; while one is still to be tried again, the others of its key wait."""
    run = Steps(attempt)
    await run.deliverer.deliver(delivery(ordering="k"))
    run.commit()
    (due,) = run.woken
    assert (due <= steady()) is wakes_now


async def test_a_fault_of_our_own_settles_nothing() -> None:
    """It goes up to the lane; the delivery stays claimed, and a restart finds it."""
    run = Steps(RuntimeError("ours"))
    with pytest.raises(RuntimeError, match="ours"):
        await run.deliverer.deliver(delivery())
    assert run.steps == ["send"]


async def test_an_attempt_in_flight_is_judged_by_the_options_as_they_are_then() -> None:
    """A reload that takes the last retry away holds for it too."""
    run = Steps(FAILED)
    without_retry = LaneOptions("hook", by_schedule((), 0.0, HOUR), concurrency=1)
    run.meanwhile = lambda: setattr(run.deliverer, "options", without_retry)
    await run.deliverer.deliver(delivery())
    assert run.commit().settlement.state is DeliveryState.DEAD
