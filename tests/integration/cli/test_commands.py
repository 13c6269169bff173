"""The commands, as processes of their own beside a running relay: their output and exit codes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

import relay as package
from tests.support.client import Client
from tests.support.process import Ran, RelayProcess, StartProcess, run
from tests.support.site import REPOSITORY, Site, free_port
from tests.support.target import Reply, Target

SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
SAMPLE = {
    "body": {"n": 2},
    "headers": {"x-kind": "a"},
    "expect": {"hook": {"body": {"twice": 4}}, "log": "unchanged"},
}


@pytest.fixture
def prepared(site: Site, target: Target) -> Site:
    """Return a site with fixed ports, so that commands find the relay by its configuration."""
    site.configure(
        {
            "hook": {"url": target.url, "retry": {"schedule": []}},
            "log": {"file": "../var/log.jsonl"},
        },
        listen=f"127.0.0.1:{free_port()}",
        admin={"listen": f"127.0.0.1:{free_port()}", "token": "managed:admin"},
    )
    verify = {"scheme": "hmac", "header": "x-signature", "secrets": ["managed:in"]}
    forwards = [
        {"to": "hook", "when": 'headers["x-kind"] == "a"', "body": '{"twice": body.n * 2}'},
        {"to": "log"},
    ]
    route = {"verify": verify, "event": {"id": 'headers["x-id"]'}, "payload": {"schema": "s.json"}}
    site.route("in", {**route, "forward": forwards}, {"s.json": SCHEMA})
    samples = site.routes / "in" / "samples"
    samples.mkdir()
    (samples / "two.json").write_text(json.dumps(SAMPLE))
    (samples / "text.json").write_text(json.dumps({"body": {"n": "two"}, "expect": "invalid"}))
    return site


async def _relay(site: Site, *arguments: str, stdin: bytes = b"") -> Ran:
    command, *rest = arguments
    return await run(command, "--config", str(site.config), *rest, cwd=site.root, stdin=stdin)


async def _send(site: Site, body: Any, event_id: str) -> Ran:
    headers = ("--header", "x-kind: a", "--header", f"x-id: {event_id}")
    return await _relay(site, "send", "in", *headers, "--json", stdin=json.dumps(body).encode())


async def _pending(relay: RelayProcess, site: Site) -> None:
    """Wait until nothing is pending."""
    client = Client(relay.public, relay.admin)
    client.session.headers["authorization"] = f"Bearer {site.secret('admin')}"
    try:
        for name in ("hook", "log"):
            await client.until_value(0, "relay_pending_deliveries", target=name)
    finally:
        await client.close()


# --- beside no relay ------------------------------------------------------------------------------


async def test_check_of_a_good_configuration_exits_0(prepared: Site) -> None:
    """And says how much it checked, for people and for programs; it makes no secrets."""
    said = await _relay(prepared, "check")
    assert (said.code, said.err) == (0, "")
    assert "1 routes, 2 targets" in said.out
    told = await _relay(prepared, "check", "--json", "--strict")
    assert (told.code, told.json["ok"], told.json["warnings"]) == (0, True, [])
    assert not (prepared.var / "secrets").exists()


async def test_check_tells_all_problems_at_once_with_their_places(prepared: Site) -> None:
    """Exit code 1; file:line:column of each problem in each file, with a remedy."""
    prepared.config.write_text("listen: 127.0.0.1:0\ntargtes: {}\nroutes: ../routes\n")
    (prepared.routes / "in" / "route.yaml").write_text(
        "verify: {scheme: none}\nforward:\n  - to: hook\n    when: body.n >\n"
    )
    other = prepared.routes / "other"
    other.mkdir()
    (other / "route.yaml").write_text("verify: {scheme: nine}\nforward: [{to: hook}]\n")
    broken = await _relay(prepared, "check")
    assert (broken.code, broken.out) == (1, "")
    assert "config/relay.yaml:2:1: targtes: unknown key — did you mean `targets`?" in broken.err

    prepared.config.write_text(
        "listen: 127.0.0.1:0\nroutes: ../routes\ntargets: {hok: {file: x}}\n"
    )
    broken = await _relay(prepared, "check")
    assert broken.code == 1
    assert "routes/in/route.yaml:3:9: there is no target 'hook' — did you mean `hok`?" in broken.err
    assert "routes/in/route.yaml:4:" in broken.err
    assert "routes/other/route.yaml:1:" in broken.err
    told = await _relay(prepared, "check", "--json")
    assert (told.code, told.json["ok"]) == (1, False)
    assert {problem["file"] for problem in told.json["problems"]} == {
        "routes/in/route.yaml",
        "routes/other/route.yaml",
    }


async def test_check_fails_on_a_literal_secret_only_if_strict(prepared: Site) -> None:
    """A warning that names the place but not the secret; with --strict exit code 1."""
    verify = {"scheme": "token", "secrets": ["open sesame"]}
    prepared.route("literal", {"verify": verify, "forward": [{"to": "log"}]})
    lax = await _relay(prepared, "check")
    strict = await _relay(prepared, "check", "--strict")
    assert (lax.code, strict.code) == (0, 1)
    for said in (lax, strict):
        assert "routes/literal/route.yaml:" in said.err
        assert "open sesame" not in said.err + said.out


async def test_routes_lists_urls_schemes_and_forwards(prepared: Site) -> None:
    """As a table, and as JSON."""
    told = await _relay(prepared, "routes", "--json")
    (one,) = told.json["routes"]
    assert told.code == 0
    assert (one["route"], one["paths"], one["scheme"]) == ("in", ["/in/in"], "hmac")
    assert [(forward["name"], forward["to"]) for forward in one["forwards"]] == [
        ("hook", "hook"),
        ("log", "log"),
    ]
    said = await _relay(prepared, "routes")
    assert said.code == 0
    assert "/in/in" in said.out


async def test_try_traces_each_step_and_sends_nothing(
    prepared: Site, target: Target, tmp_path: Path
) -> None:
    """0 for a request that holds, 1 for one that doesn't, 2 for a route that is not there."""
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text('{"n": 21}')
    bad.write_text('{"n": "one"}')
    told, refused, nothing, missing = await asyncio.gather(
        _relay(prepared, "try", "in", str(good), "--header", "x-kind: a", "--json"),
        _relay(prepared, "try", "in", str(bad), "--json"),
        _relay(prepared, "try", "nothing", str(good)),
        _relay(prepared, "try", "in", str(tmp_path / "missing.json")),
    )
    assert (told.code, told.json["ok"], told.json["refusal"]) == (0, True, None)
    bodies = {one["target"]: json.loads(one["body"]) for one in told.json["requests"]}
    assert bodies == {"hook": {"twice": 42}, "log": {"n": 21}}
    assert {"verify", "decode", "validate"} <= {step["name"] for step in told.json["steps"]}
    assert (refused.code, refused.json["refusal"], refused.json["requests"]) == (1, "invalid", [])
    assert (nothing.code, missing.code) == (2, 2)
    assert target.requests == []


async def test_try_shows_a_when_that_fails(prepared: Site, tmp_path: Path) -> None:
    """The header that `when` reads is missing: an error of that forward, not a silent no."""
    body = tmp_path / "body.json"
    body.write_text('{"n": 1}')
    told = await _relay(prepared, "try", "in", str(body), "--json")
    (step,) = [step for step in told.json["steps"] if step["name"] == "forward hook"]
    assert (told.code, step["ok"]) == (1, False)
    assert "error" in step["detail"]


async def test_test_runs_the_samples(prepared: Site) -> None:
    """0 if all hold; 1, telling the difference, if one does not."""
    told = await _relay(prepared, "test", "--json")
    assert told.code == 0, told
    assert {(one["sample"], one["ok"]) for one in told.json["samples"]} == {
        ("two", True),
        ("text", True),
    }
    wrong = {**SAMPLE, "expect": {"hook": {"body": {"twice": 5}}, "log": "unchanged"}}
    (prepared.routes / "in" / "samples" / "two.json").write_text(json.dumps(wrong))
    said = await _relay(prepared, "test", "in")
    assert said.code == 1
    assert '{"twice": 5}' in said.out


async def test_version_names_what_it_stands_on(prepared: Site) -> None:
    """The relay's version, Python's and SQLite's."""
    told = await run("version", "--json", cwd=prepared.root)
    assert told.code == 0
    assert told.json["relay"] == package.__version__
    assert told.json.keys() >= {"relay", "python", "sqlite"}


@pytest.mark.parametrize("kind", ["relay", "route"])
async def test_schema_fits_the_shipped_files(prepared: Site, kind: str) -> None:
    """A valid JSON Schema, which takes what this repository ships and refuses a slip of the pen."""
    told = await run("schema", kind, cwd=prepared.root)
    assert told.code == 0
    validator = jsonschema.Draft202012Validator(told.json)
    validator.check_schema(told.json)
    shipped = [REPOSITORY / "config" / "relay.yaml"]
    if kind == "route":
        shipped = sorted(REPOSITORY.glob("routes/*/route.yaml"))
    assert shipped
    for path in shipped:
        content = YAML(typ="safe", pure=True).load(path)
        assert [error.message for error in validator.iter_errors(content)] == [], path
        assert not validator.is_valid({**content, "slip": 1})


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["check", "--nothing"],
        ["why"],
        ["check", "--config", "nothing.yaml"],
        ["schema", "nothing"],
    ],
    ids=" ".join,
)
async def test_wrong_use_exits_2(prepared: Site, arguments: list[str]) -> None:
    """Unknown commands and options, missing arguments, a configuration that isn't there."""
    said = await run(*arguments, cwd=prepared.root)
    assert (said.code, said.out) == (2, "")
    assert said.err
    assert "Traceback" not in said.err


async def test_commands_that_ask_a_relay_say_when_none_answers(prepared: Site) -> None:
    """Exit code 1 and the address that was asked."""
    url = f"http://127.0.0.1:{free_port()}"
    commands = (["events"], ["dead"], ["why", "x"], ["replay", "x"])
    for said in await asyncio.gather(
        *(_relay(prepared, *command, "--url", url) for command in commands)
    ):
        assert said.code == 1
        assert url in said.err
        assert "Traceback" not in said.err


# --- beside a running relay -----------------------------------------------------------------------


async def test_send_signs_with_the_routes_own_secret(
    prepared: Site, start_process: StartProcess, target: Target, tmp_path: Path
) -> None:
    """0 and the answer; from a file or from standard input; 1 if the relay refuses it."""
    await start_process(prepared)
    sent = await _send(prepared, {"n": 1}, "a")
    assert sent.code == 0, sent
    assert (sent.json["status"], sent.json["answer"]["deliveries"]) == (202, 2)
    again = await _send(prepared, {"n": 1}, "a")
    assert (again.code, again.json["status"], again.json["answer"]["duplicate"]) == (0, 200, True)
    refused = await _send(prepared, {"n": "one"}, "b")
    assert (refused.code, refused.json["status"], refused.json["answer"]["reason"]) == (
        1,
        422,
        "invalid",
    )
    file = tmp_path / "body.json"
    file.write_text('{"n": 5}')
    from_file = await _relay(prepared, "send", "in", str(file), "--header", "x-kind: a")
    assert from_file.code == 0
    assert "relay why evt_" in from_file.out
    assert {request.body for request in await target.wait_for(2)} == {
        b'{"twice":2}',
        b'{"twice":10}',
    }


async def test_a_dead_letter_is_found_explained_and_replayed(
    prepared: Site, start_process: StartProcess, target: Target
) -> None:
    """dead, why, replay, events: the whole way of an operator who mends a target."""
    relay = await start_process(prepared)
    target.script.append(Reply(500, body=b"out of order"))
    event_id = (await _send(prepared, {"n": 1}, "a")).json["answer"]["id"]
    await _pending(relay, prepared)

    dead, others, told, *said = await asyncio.gather(
        _relay(prepared, "dead", "--json"),
        _relay(prepared, "dead", "--reason", "gone", "--json"),
        _relay(prepared, "why", event_id, "--json"),
        *(
            _relay(prepared, "why", name) for name in (event_id, "a")
        ),  # the relay's id, and the sender's
    )
    assert {one.code for one in (dead, others, told, *said)} == {0}
    (one,) = dead.json["dead"]
    assert (one["event"], one["target"], one["reason"]) == (event_id, "hook", "unavailable")
    assert others.json == {"dead": []}
    hook, log = told.json["events"][0]["deliveries"]
    assert (hook["state"], hook["reason"], hook["status"]) == ("dead", "unavailable", 500)
    assert log["state"] == "delivered"
    for text in (one.out for one in said):
        for part in (event_id, "dead", "unavailable", "500", "out of order", "delivered"):
            assert part in text

    told = await _relay(prepared, "replay", event_id, "--json")
    assert (told.code, told.json) == (0, {"id": event_id, "replayed": ["hook"]})
    assert [request.id for request in await target.wait_for(2)] == [event_id, event_id]
    await _pending(relay, prepared)
    dead, events, nothing = await asyncio.gather(
        _relay(prepared, "dead", "--json"),
        _relay(prepared, "events", "--route", "in", "--json"),
        _relay(prepared, "replay", event_id),
    )
    assert (dead.code, dead.json) == (0, {"dead": []})
    (event,) = events.json["events"]
    assert {one["state"] for one in event["deliveries"]} == {"delivered"}
    assert nothing.code == 1
    assert "nothing to replay" in nothing.err
    once_more = await _relay(prepared, "replay", event_id, "--target", "log")
    assert once_more.code == 0
    await _pending(relay, prepared)
    lines = (prepared.var / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [event_id, event_id]


async def test_a_paused_target_gets_nothing_until_it_is_resumed(
    prepared: Site, start_process: StartProcess, target: Target
) -> None:
    """pause, send, resume; both say what they did, and an unknown target exits 1."""
    relay = await start_process(prepared)
    paused = await _relay(prepared, "pause", "hook", "--json")
    assert (paused.code, paused.json) == (0, {"target": "hook", "paused": True})
    event_id = (await _send(prepared, {"n": 1}, "a")).json["answer"]["id"]
    told, unknown = await asyncio.gather(
        _relay(prepared, "why", event_id, "--json"), _relay(prepared, "pause", "nothing")
    )
    assert told.json["events"][0]["deliveries"][0]["state"] == "pending"
    assert unknown.code == 1
    assert target.requests == []
    resumed = await _relay(prepared, "resume", "hook", "--json")
    assert (resumed.code, resumed.json) == (0, {"target": "hook", "paused": False})
    assert [request.id for request in await target.wait_for(1)] == [event_id]
    await _pending(relay, prepared)


async def test_tables_show_ids_whole(
    prepared: Site, start_process: StartProcess, target: Target
) -> None:
    """Without a terminal, tables are as wide as they need, so that ids can be piped on."""
    relay = await start_process(prepared)
    target.script.append(Reply(500, body=b"out of order"))
    event_id = (await _send(prepared, {"n": 1}, "a")).json["answer"]["id"]
    await _pending(relay, prepared)
    dead, events = await asyncio.gather(_relay(prepared, "dead"), _relay(prepared, "events"))
    assert (dead.code, events.code) == (0, 0)
    (line,) = [line for line in dead.out.splitlines() if event_id in line]
    assert line.split()[1:6] == [event_id, "hook", "unavailable", "500", "1"]
    assert line.endswith("out of order")
    (line,) = [line for line in events.out.splitlines() if event_id in line]
    assert line.endswith("hook dead, log delivered")


async def test_an_unknown_event_and_a_wrong_token_exit_1(
    prepared: Site, start_process: StartProcess
) -> None:
    """Said in a line, without a trace."""
    await start_process(prepared)
    unknown = await _relay(prepared, "why", "evt_nothing")
    assert unknown.code == 1
    assert "no such event" in unknown.err
    stranger = await _relay(prepared, "events", "--token", "wrong")
    assert stranger.code == 1
    assert "token" in stranger.err
    for said in (unknown, stranger):
        assert "Traceback" not in said.err
