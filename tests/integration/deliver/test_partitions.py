"""`partitions: N` on a real relay: a slow key holds up only those that share its lane."""

import json
import signal
from typing import Any

from relay.event import partition_of
from tests.support.client import Client
from tests.support.process import StartProcess
from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Received, Reply, Target

LANES = 4
BY_LANE = {partition_of(f"key-{n}", "", LANES): f"key-{n}" for n in range(100)}


def configure(site: Site, target: Target, partitions: int = LANES, **settings: Any) -> None:
    """Write a site with one target that is divided; one attempt at a time in each lane."""
    hook = {
        "url": target.url,
        "partitions": partitions,
        "concurrency": 1,
        "retry": {"schedule": ["20ms"] * 9},
    }
    site.configure({"hook": hook | settings})


def key_of(request: Received) -> str:
    """Return the key in a request's body."""
    return str(json.loads(request.body)["k"])


async def test_slow_key_holds_up_its_own_lane_alone(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """While one key gets no answer and its lane has but one attempt, all other lanes deliver."""
    configure(site, target)
    site.route("in", {"event": {"key": "body.k"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    slow = BY_LANE[0]
    target.holds = lambda request: key_of(request) == slow
    target.open.clear()
    await relay.accepted("in", {"k": slow})
    await target.wait_for(1)
    waiting = await relay.accepted("in", {"k": slow})
    for n in range(1, LANES):
        for _ in range(5):
            await relay.fate(await relay.accepted("in", {"k": BY_LANE[n]}), "hook")
    assert (await relay.event(waiting))["deliveries"][0]["state"] == "pending"
    assert await relay.value("relay_pending_deliveries", target="hook") == 2
    target.open.set()
    assert (await relay.fate(waiting, "hook"))["state"] == "delivered"


async def test_breaker_is_the_lanes_own(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A lane whose attempts fail opens its breaker; others go on, the metric shows the worst."""
    configure(site, target, breaker={"failures": 2, "cool_off": "1h", "max_cool_off": "1h"})
    site.route("in", {"event": {"key": "body.k"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    target.script.extend([Reply(500), Reply(500)])
    for _ in range(2):
        await relay.accepted("in", {"k": BY_LANE[1]})
    await relay.until_value(2, "relay_breaker_state", target="hook")
    fate = await relay.fate(await relay.accepted("in", {"k": BY_LANE[2]}), "hook")
    assert fate["state"] == "delivered"


async def test_gone_pauses_every_lane(site: Site, start_relay: StartRelay, target: Target) -> None:
    """A 410 in one lane pauses the target; `resume` lets all lanes go on."""
    configure(site, target)
    site.route("in", {"event": {"key": "body.k"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    target.script.append(Reply(410))
    await relay.fate(await relay.accepted("in", {"k": BY_LANE[0]}), "hook")
    ids = [await relay.accepted("in", {"k": BY_LANE[n]}) for n in range(LANES)]
    await relay.until_value(1, "relay_target_paused", target="hook")
    assert {(await relay.event(event_id))["deliveries"][0]["state"] for event_id in ids} == {
        "pending"
    }
    answer = await relay.request("POST", f"{relay.admin}/api/targets/hook/resume")
    assert answer.status == 200
    assert {(await relay.fate(event_id, "hook"))["state"] for event_id in ids} == {"delivered"}


async def test_other_number_of_lanes_after_a_crash_loses_nothing(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """Killed with a backlog in every lane, started with another number: all is delivered."""
    configure(site, target)
    site.route(
        "in",
        {
            "event": {"key": "body.k"},
            "forward": [{"to": "hook"}, {"to": "hook", "name": "again", "ordered": True}],
        },
    )
    process = await start_process(site)
    target.open.clear()
    client = Client(process.public, process.admin)
    ids = [await client.accepted("in", {"k": f"key-{n}"}) for n in range(30)]
    await client.close()
    process.send(signal.SIGKILL)
    await process.kill()
    target.open.set()
    configure(site, target, partitions=3)
    process = await start_process(site)
    client = Client(process.public, process.admin)
    try:
        await client.until_value(
            60, "relay_attempts_total", target="hook", outcome="delivered", reason=""
        )
        await client.until_value(0, "relay_pending_deliveries", target="hook")
    finally:
        await client.close()
    assert {request.id for request in target.requests} == set(ids)


async def test_reload_does_not_divide_anew(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Another number of lanes needs a restart: a reload says so, and changes nothing."""
    configure(site, target)
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    configure(site, target, partitions=2)
    answer = await relay.request("POST", f"{relay.admin}/api/reload")
    assert answer.status == 422
    assert answer.json["problems"][0]["message"] == "targets.hook.partitions was changed"
    assert (await relay.fate(await relay.accepted("in", {}), "hook"))["state"] == "delivered"
