"""Attempts at deliveries that differ by their number, and what a lane makes of an attempt."""

from relay.clock import Steady, Wall
from relay.delivery.settle import Attempt, Settlement, settle
from relay.event import Delivery, Event, format_id
from relay.routing.transform import Outgoing
from relay.targets.target import Target, TargetSettings
from tests.contract.targets.case import Case

RECEIVED = Steady(1_700_000_000.25)


def owed(n: int) -> Delivery:
    """Return the first try of the `n`th event's delivery."""
    event = Event(
        n + 1, format_id(n + 1, 7), "hello", "", "push", "k", "", Wall(RECEIVED), {}, {}, b"{}"
    )
    return Delivery(event, 0, "hook", "hook", 0, RECEIVED, 1)


async def attempt(target: Target, case: Case, n: int = 0, body: bytes | None = None) -> Attempt:
    """Make one attempt at a delivery with the case's `n`th body, or with another."""
    content = case.body(n) if body is None else body
    return await target.attempt(
        owed(n), Outgoing("", {"content-type": "application/json"}, content)
    )


def settled(settings: TargetSettings, attempt: Attempt) -> Settlement:
    """Return what a lane makes of the first attempt at a delivery."""
    lane = settings.lane
    return settle(
        owed(0), attempt, lane.policy, give_up_on=lane.give_up_on, now=RECEIVED, chance=0.5
    )
