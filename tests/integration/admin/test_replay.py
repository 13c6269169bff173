"""`relay replay` by filter, and out of quarantine, on a real relay run as a process."""

import json

import pytest

from tests.support.client import Client
from tests.support.process import Ran, RelayProcess, StartProcess, run
from tests.support.site import Site
from tests.support.target import Reply, Target

SCHEMA = {"type": "object", "required": ["name"]}


@pytest.fixture
def prepared(site: Site, target: Target) -> Site:
    """Return a site with a target that gives up at once, another, and a route that quarantines."""
    hook = {"url": target.url, "retry": {"schedule": []}, "breaker": {"failures": 1000}}
    site.configure({"hook": hook, "log": {"file": "../var/log.jsonl"}})
    site.route("a", {"forward": [{"to": "hook"}]})
    site.route("b", {"forward": [{"to": "hook"}]})
    site.route(
        "kept",
        {"payload": {"schema": "schema.json", "invalid": "quarantine"}, "forward": [{"to": "log"}]},
        {"schema.json": json.dumps(SCHEMA)},
    )
    return site


async def replay(site: Site, relay: RelayProcess, *arguments: str) -> Ran:
    return await run("replay", "--url", relay.admin, "--json", *arguments, cwd=site.root)


async def dead_letters(relay: RelayProcess, count: int) -> dict[str, str]:
    """Post to both routes what the target will refuse; return the events' ids with their routes."""
    client = Client(relay.public, relay.admin)
    try:
        ids = {
            await client.accepted(route, {"n": n}): route
            for n in range(count)
            for route in ("a", "b")
        }
        for event_id in ids:
            assert (await client.fate(event_id, "hook"))["state"] == "dead"
    finally:
        await client.close()
    return ids


async def test_a_filter_replays_its_dead_letters_and_no_others(
    prepared: Site, start_process: StartProcess, target: Target
) -> None:
    """A dry run counts and changes nothing; a replay of one route leaves the others dead."""
    relay = await start_process(prepared)
    target.otherwise = Reply(503)
    ids = await dead_letters(relay, 5)
    target.otherwise = Reply(200)
    told = await replay(prepared, relay, "--route", "a", "--dry-run")
    would = [{"target": "hook", "reason": "unavailable", "count": 5}]
    assert told.json == {"found": 5, "would_replay": would}
    assert len(target.requests) == 10
    told = await replay(
        prepared, relay, "--route", "a", "--reason", "unavailable", "--rate", "1000/s"
    )
    assert (told.code, told.json) == (0, {"found": 5, "replayed": {"hook": 5}, "refused": []})
    again = (await target.wait_for(15))[10:]
    assert sorted(request.id for request in again) == sorted(
        one for one, route in ids.items() if route == "a"
    )
    rest = await replay(prepared, relay, "--dead", "--dry-run")
    assert rest.json["found"] == 5


async def test_times_narrow_a_filter(
    prepared: Site, start_process: StartProcess, target: Target
) -> None:
    """--since and --until are of the events' acceptance."""
    relay = await start_process(prepared)
    target.otherwise = Reply(503)
    await dead_letters(relay, 2)
    for arguments, found in ((["--since", "2020-01-01"], 4), (["--until", "2020-01-01"], 0)):
        told = await replay(prepared, relay, *arguments, "--dry-run")
        assert told.json["found"] == found, arguments
    wrong = await replay(prepared, relay, "--since", "yesterday", "--dry-run")
    assert wrong.code == 1
    assert "a time is written such as" in wrong.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["evt_x", "--reason", "timeout"],
        ["--quarantined", "--target", "hook"],
        ["--dead", "--rate", "fast"],
    ],
)
async def test_wrong_use_of_replay_exits_2(
    prepared: Site, start_process: StartProcess, arguments: list[str]
) -> None:
    """Neither nor both of an ID and a filter, a target of what has none, a rate that is none."""
    relay = await start_process(prepared)
    assert (await replay(prepared, relay, *arguments)).code == 2


async def test_what_was_quarantined_goes_out_once_it_is_valid(
    prepared: Site, start_process: StartProcess
) -> None:
    """An event stays in quarantine while its route finds it invalid.

    With a mended route it is delivered.
    """
    relay = await start_process(prepared)
    client = Client(relay.public, relay.admin)
    try:
        event_id = await client.accepted("kept", {"nom": "Lan"})
        still = await replay(prepared, relay, "--quarantined")
        assert still.code == 1
        assert still.json["replayed"] == {}
        assert "still not valid" in still.json["refused"][0]["why"]
        (prepared.routes / "kept" / "schema.json").write_text('{"type": "object"}')
        assert (await client.request("POST", f"{relay.admin}/api/reload")).status == 200
        told = await replay(prepared, relay, "--quarantined", "--route", "kept")
        assert (told.code, told.json["replayed"]) == (0, {"log": 1})
        assert (await client.fate(event_id, "log"))["state"] == "delivered"
        assert (await client.event(event_id))["quarantined"] is False
        line = json.loads((prepared.var / "log.jsonl").read_text())
        assert (line["id"], json.loads(line["body"])) == (event_id, {"nom": "Lan"})
        assert (await replay(prepared, relay, "--quarantined", "--dry-run")).json["found"] == 0
    finally:
        await client.close()
