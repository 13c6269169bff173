"""`ordered: true` on a real relay: one at a time for each key, whatever fails."""

import json
from collections import defaultdict

import pytest

from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Reply, Target


@pytest.fixture
def ordered(site: Site, target: Target) -> Site:
    """Return a site whose one route forwards in order of `body.k`."""
    site.configure({"hook": {"url": target.url, "retry": {"schedule": ["20ms"] * 20}}})
    site.route("in", {"event": {"key": "body.k"}, "forward": [{"to": "hook", "ordered": True}]})
    return site


async def test_events_of_a_key_arrive_in_order_whatever_fails(
    ordered: Site, start_relay: StartRelay, target: Target
) -> None:
    """With every third attempt failing, none of a key is attempted before the one before is in."""
    relay = await start_relay(ordered)
    target.script.extend(Reply(500 if n % 3 == 0 else 200) for n in range(60))
    for n in range(40):
        await relay.accepted("in", {"k": f"key-{n % 4}", "n": n})
    await relay.until_value(
        40, "relay_attempts_total", target="hook", outcome="delivered", reason=""
    )
    attempted: dict[str, list[int]] = defaultdict(list)
    for request in target.requests:
        body = json.loads(request.body)
        attempted[body["k"]].append(body["n"])
    assert {key: sorted(numbers) for key, numbers in attempted.items()} == dict(attempted)
    assert sorted({n for numbers in attempted.values() for n in numbers}) == list(range(40))


async def test_stuck_head_blocks_its_key_alone(
    ordered: Site, start_relay: StartRelay, target: Target
) -> None:
    """While the head of one key gets no answer, its key waits, and other keys go through."""
    relay = await start_relay(ordered)
    target.open.clear()
    await relay.accepted("in", {"k": "stuck", "n": 1})
    await target.wait_for(1)
    for n in range(3):
        await relay.accepted("in", {"k": "stuck", "n": 2 + n})
        await relay.accepted("in", {"k": f"other-{n}", "n": n})
    requests = await target.wait_for(4)
    assert [json.loads(request.body)["k"] for request in requests[:1]] == ["stuck"]
    assert {json.loads(request.body)["k"] for request in requests[1:]} == {
        "other-0",
        "other-1",
        "other-2",
    }
    target.open.set()
    requests = await target.wait_for(7)
    stuck = [json.loads(request.body) for request in requests]
    assert [body["n"] for body in stuck if body["k"] == "stuck"] == [1, 2, 3, 4]


async def test_without_a_key_all_are_in_one_order(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A route that gives no key has one order for all of its forward's events."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook", "ordered": True}]})
    relay = await start_relay(site)
    for n in range(10):
        await relay.accepted("in", {"n": n})
    assert [json.loads(request.body)["n"] for request in await target.wait_for(10)] == list(
        range(10)
    )
