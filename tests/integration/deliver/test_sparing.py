"""How targets are spared: breaker, ramp after an outage, rates, pause; and how routes are."""

from typing import Any

import pytest

from tests.support.client import JSON
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Reply, StartTarget, Target

pytestmark = pytest.mark.fault(29)

SLOW = {"schedule": ["1h"]}


def _write(site: Site, url: str, **hook: Any) -> None:
    site.configure({"hook": {"url": url, "retry": SLOW, **hook}})
    site.route("in", {"forward": [{"to": "hook"}]})


async def _steer(relay: Running, verb: str) -> None:
    answer = await relay.request("POST", f"{relay.admin}/api/targets/hook/{verb}", b"{}", JSON)
    assert answer.status == 200, answer


async def test_open_breaker_costs_no_attempt_and_loses_nothing(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """After two failures in a row a target is left alone; resumed, it gets all that waited."""
    _write(
        site,
        target.url,
        concurrency=1,
        breaker={"failures": 2, "cool_off": "1h", "max_cool_off": "1h"},
    )
    target.script.extend([Reply(500), Reply(503)])
    relay = await start_relay(site)
    failed = [await relay.accepted("in", {"n": n}) for n in range(2)]
    await target.wait_for(2)
    await relay.until_value(2, "relay_breaker_state", target="hook")
    waiting = [await relay.accepted("in", {"n": n}) for n in range(5)]
    assert await relay.value("relay_pending_deliveries", target="hook") == 7
    assert len(target.requests) == 2
    await _steer(relay, "resume")
    got = await target.wait_for(7)
    assert [request.id for request in got[2:]] == waiting
    assert {request.headers["relay-attempt"] for request in got} == {"1"}
    assert await relay.value("relay_breaker_state", target="hook") == 0
    assert {(await relay.event(event_id))["deliveries"][0]["state"] for event_id in failed} == {
        "pending"
    }


async def test_probe_goes_alone_and_the_rest_follows_on_a_ramp(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """When the cool-off is over one attempt goes; while it is unanswered no other does."""
    _write(site, target.url, breaker={"failures": 1, "cool_off": "50ms", "max_cool_off": "50ms"})
    target.script.append(Reply(500))
    relay = await start_relay(site)
    await relay.accepted("in", {})
    await target.wait_for(1)
    await relay.until_value(1, "relay_breaker_state", target="hook")
    target.open.clear()
    for n in range(20):
        await relay.accepted("in", {"n": n})
    await target.wait_for(2)
    assert await relay.value("relay_breaker_state", target="hook") == 1
    assert len(target.requests) == 2
    target.open.set()
    await target.wait_for(21)
    await relay.until_value(0, "relay_breaker_state", target="hook")


async def test_a_probe_takes_no_more_from_the_store_than_it_needs(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """While a target stays down its lane claims one delivery for a probe, however many wait."""
    breaker = {"failures": 1, "cool_off": "10ms", "max_cool_off": "10ms"}
    target.otherwise = Reply(500)
    site.configure(
        {"hook": {"url": target.url, "retry": SLOW, "breaker": breaker}},
        limits={"memory": "1B"},  # so that all waits in the store
    )
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    await relay.accepted("in", {})
    await target.wait_for(1)
    for n in range(20):
        await relay.accepted("in", {"n": n})
    await target.wait_for(len(target.requests) + 3)
    claimed = "SELECT count(*) FROM delivery WHERE state = 1"
    (count,) = await relay.relay.store.database.read(
        lambda connection: connection.execute(claimed).fetchone()
    )
    assert count <= 2
    assert await relay.value("relay_pending_deliveries", target="hook") == 21


async def test_other_targets_go_on_while_one_is_left_alone(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """A breaker is a target's own."""
    down, well = await start_target(), await start_target()
    down.otherwise = Reply(500)
    breaker = {"failures": 1, "cool_off": "1h", "max_cool_off": "1h"}
    targets = {
        "down": {"url": down.url, "retry": SLOW, "breaker": breaker},
        "well": {"url": well.url},
    }
    site.configure(targets)
    site.route("in", {"forward": [{"to": "down"}, {"to": "well"}]})
    relay = await start_relay(site)
    for n in range(10):
        await relay.accepted("in", {"n": n})
    await well.wait_for(10)
    assert len(down.requests) <= 10
    await relay.until_value(2, "relay_breaker_state", target="down")


async def test_rate_of_a_target_holds_and_is_its_own(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """One goes at once, the next half an hour later; another target has its own by then."""
    slow, well = await start_target(), await start_target()
    site.configure({"slow": {"url": slow.url, "rate": "2/h"}, "well": {"url": well.url}})
    site.route("in", {"forward": [{"to": "slow"}, {"to": "well"}]})
    relay = await start_relay(site)
    for n in range(5):
        event_id = await relay.accepted("in", {"n": n})
        await relay.fate(event_id, "well")
    assert len(await slow.wait_for(1)) == 1
    await relay.until_value(4, "relay_pending_deliveries", target="slow")
    assert (await relay.event(event_id))["deliveries"][0]["attempts"] == 0


async def test_rate_of_a_route_is_answered_with_429(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A request beyond the rate is refused, told when to come again, and not stored."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"limits": {"rate": "2/h"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    await relay.accepted("in", {})
    answer = await relay.post("in", {})
    assert (answer.status, answer.json["reason"]) == (429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 1800
    refused = {"route": "in", "outcome": "refused", "reason": "rate_limited"}
    assert await relay.value("relay_requests_total", **refused) == 1
    assert len(await relay.events()) == 1


async def test_paused_target_gets_nothing_until_it_is_resumed(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Accepting goes on; all that came meanwhile is delivered once, in its order of arrival."""
    _write(site, target.url, concurrency=1)
    relay = await start_relay(site)
    await _steer(relay, "pause")
    ids = [await relay.accepted("in", {"n": n}) for n in range(3)]
    assert await relay.value("relay_target_paused", target="hook") == 1
    assert await relay.value("relay_pending_deliveries", target="hook") == 3
    assert target.requests == []
    await _steer(relay, "resume")
    assert [request.id for request in await target.wait_for(3)] == ids
    assert await relay.value("relay_target_paused", target="hook") == 0
