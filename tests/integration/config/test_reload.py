"""Reloading: all or nothing, and what stays the same keeps what it holds."""

import asyncio
import json
import shutil
import signal
from typing import Any

import pytest

from tests.support.client import JSON, Answer, Client
from tests.support.process import StartProcess
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Reply, StartTarget, Target
from tests.support.waiting import until

pytestmark = pytest.mark.fault(27)

SLOW = {"schedule": ["1h"]}


async def _reload(relay: Running) -> Answer:
    return await relay.request("POST", f"{relay.admin}/api/reload", b"{}", JSON)


def _write(site: Site, targets: dict[str, Any], **forwards: str) -> None:
    """Write the configuration, and a route for each name that forwards to one target."""
    site.configure(targets)
    for name, to in forwards.items():
        folder = site.routes / name
        folder.mkdir(exist_ok=True)
        content = {"verify": {"scheme": "none"}, "forward": [{"to": to}]}
        (folder / "route.yaml").write_text(json.dumps(content))


async def test_new_route_and_target_are_served_without_a_restart(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """The answer tells generation and digest; both stand in the metrics and in /api/version."""
    first, second = await start_target(), await start_target()
    _write(site, {"a": {"url": first.url}}, one="a")
    relay = await start_relay(site)
    assert (await relay.post("two", {})).status == 404
    before = await relay.api("version")
    _write(site, {"a": {"url": first.url}, "b": {"url": second.url}}, one="a", two="b")
    answer = await _reload(relay)
    assert (answer.status, answer.json["number"]) == (200, 2)
    assert answer.json["digest"] != before["digest"]
    await relay.accepted("two", {})
    await second.wait_for(1)
    assert (await relay.api("version"))["digest"] == answer.json["digest"]
    assert await relay.value("relay_config_generation") == 2
    assert await relay.value("relay_config_last_reload_successful") == 1


async def test_route_that_changed_while_a_body_came_is_the_new_one(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """An event accepted after a reload owes the deliveries of the new files.

    A route that is gone takes nothing more.
    """
    first, second = await start_target(), await start_target()
    _write(site, {"a": {"url": first.url}}, one="a", two="a")
    relay = await start_relay(site)
    host, _, port = relay.public.removeprefix("http://").rpartition(":")
    senders = []
    for route in ("one", "two"):
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /in/{route} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n"
        writer.write(f"{head}expect: 100-continue\r\n\r\n".encode())
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")  # it waits for the body
        senders.append((reader, writer))
    shutil.rmtree(site.routes / "two")
    _write(site, {"b": {"url": second.url}}, one="b")
    assert (await _reload(relay)).status == 200
    answers = []
    for reader, writer in senders:
        writer.write(b"{}")
        answers.append((await reader.read()).split()[1])
        writer.close()
        await writer.wait_closed()
    assert answers == [b"202", b"404"]
    await second.wait_for(1)
    assert first.requests == []


async def test_broken_file_changes_nothing_and_is_told_with_its_place(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A half-written file: 422 with file, line and column; the relay goes on as before."""
    _write(site, {"a": {"url": target.url}}, one="a")
    relay = await start_relay(site)
    route = site.routes / "one" / "route.yaml"
    whole = route.read_text()
    route.write_text(whole[: len(whole) // 2])
    answer = await _reload(relay)
    assert answer.status == 422
    (problem,) = answer.json["problems"]
    assert problem["file"].endswith("one/route.yaml")
    assert problem["line"] >= 1
    assert problem["remedy"]
    assert await relay.value("relay_config_last_reload_successful") == 0
    assert await relay.value("relay_config_generation") == 1
    await relay.accepted("one", {})
    await target.wait_for(1)
    route.write_text(whole)
    assert (await _reload(relay)).status == 200
    assert await relay.value("relay_config_last_reload_successful") == 1


@pytest.mark.parametrize(
    "which", ["config/relay.yaml", "config/targets.yaml", "routes/one/route.yaml"]
)
async def test_file_that_is_only_half_there_changes_nothing(
    site: Site, start_relay: StartRelay, target: Target, which: str
) -> None:
    """A file that is emptied, cut, no text, a folder or a dead link is refused.

    The old configuration stays, whole and counted.
    """
    _write(site, {"a": {"url": target.url, "retry": SLOW}}, one="a")
    config = json.loads(site.config.read_text())
    (site.config.parent / "targets.yaml").write_text(json.dumps(config["targets"], indent=1))
    site.config.write_text(json.dumps({**config, "targets": "targets.yaml"}, indent=1))
    relay = await start_relay(site)
    file = site.root / which
    whole = file.read_bytes()

    async def refused() -> None:
        answer = await _reload(relay)
        assert answer.status == 422, answer
        assert all(problem["remedy"] for problem in answer.json["problems"])
        assert await relay.value("relay_config_last_reload_successful") == 0
        assert await relay.value("relay_config_generation") == 1

    for part in (
        b"",
        b"\n",
        *(whole[:n] for n in range(1, len(whole) - 2, 60)),
        b"\xff" + whole,
        b"[" * 5000,
    ):
        file.write_bytes(part)
        await refused()
    file.unlink()
    file.symlink_to("nowhere")
    await refused()
    file.unlink()
    file.mkdir()
    await refused()
    file.rmdir()
    await relay.accepted("one", {})
    await target.wait_for(1)
    file.write_bytes(whole)
    assert (await _reload(relay)).status == 200
    assert await relay.value("relay_config_last_reload_successful") == 1


async def test_changed_transform_takes_effect_at_once(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Code is read anew however quickly it was edited; what died of it is delivered by a replay."""
    site.configure({"a": {"url": target.url}})
    code = "def change(event):\n    return {}\n"
    site.route(
        "one",
        {"forward": [{"to": "a", "transform": "t.py:change"}]},
        {"t.py": code.format("{}['gone']")},
    )
    (site.routes / "one" / "t.py").write_text("def change(event):\n    return {}['gone']\n")
    relay = await start_relay(site)
    event_id = await relay.accepted("one", {"n": 1})
    assert (await relay.fate(event_id, "a"))["reason"] == "transform_failed"
    (site.routes / "one" / "t.py").write_text("def change(event):\n    return {'ok': 1}  \n")
    assert (await _reload(relay)).status == 200
    await relay.replay(event_id)
    (got,) = await target.wait_for(1)
    assert (got.id, got.body) == (event_id, b'{"ok":1}')


async def test_pending_of_a_removed_target_is_kept_and_can_be_replayed(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Deliveries to a removed target, in memory or in the store, die with `target_removed`.

    Once the target is back, a replay delivers them.
    """
    target.otherwise = Reply(500)
    _write(site, {"a": {"url": target.url, "retry": SLOW}, "b": {"file": "b.jsonl"}}, one="a")
    relay = await start_relay(site)
    tried = await relay.accepted("one", {"n": 1})
    await target.wait_for(1)
    pause = f"{relay.admin}/api/targets/a/pause"
    assert (await relay.request("POST", pause, b"{}", JSON)).status == 200
    held = await relay.accepted("one", {"n": 2})
    _write(site, {"b": {"file": "b.jsonl"}}, one="b")
    assert (await _reload(relay)).status == 200
    for event_id in (tried, held):
        delivery = await relay.fate(event_id, "a")
        assert (delivery["state"], delivery["reason"]) == ("dead", "target_removed")
    target.otherwise = Reply(200)
    _write(site, {"a": {"url": target.url, "retry": SLOW}, "b": {"file": "b.jsonl"}}, one="a")
    assert (await _reload(relay)).status == 200
    await relay.replay(tried)
    await relay.replay(held)
    assert {one.id for one in await target.wait_for(3)} == {tried, held}


async def test_unchanged_target_keeps_breaker_queue_and_connection(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """A reload that changes another target is not noticed by this one."""
    down, well, other = await start_target(), await start_target(), await start_target()
    down.otherwise = Reply(500)
    breaker = {"failures": 1, "cool_off": "1h", "max_cool_off": "1h"}
    kept = {"down": {"url": down.url, "retry": SLOW, "breaker": breaker}, "well": {"url": well.url}}
    _write(site, kept, one="down", two="well")
    relay = await start_relay(site)
    await relay.accepted("one", {})
    await relay.until_value(2, "relay_breaker_state", target="down")
    waiting = await relay.accepted("one", {})
    await relay.fate(await relay.accepted("two", {}), "well")
    _write(site, {**kept, "other": {"url": other.url}}, one="down", two="well", three="other")
    assert (await _reload(relay)).status == 200
    assert await relay.value("relay_breaker_state", target="down") == 2
    assert await relay.value("relay_pending_deliveries", target="down") == 2
    assert (await relay.event(waiting))["deliveries"][0]["attempts"] == 0
    await relay.fate(await relay.accepted("two", {}), "well")
    assert len({request.port for request in well.requests}) == 1


async def test_changed_target_goes_on_with_what_it_holds(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """When a target moves, the attempt in flight ends at the old place.

    Waiting deliveries go to the new one, once each.
    """
    old, new = await start_target(), await start_target()
    old.open.clear()
    _write(site, {"a": {"url": old.url, "concurrency": 1}}, one="a")
    relay = await start_relay(site)
    ids = [await relay.accepted("one", {"n": n}) for n in range(5)]
    await old.wait_for(1)
    _write(site, {"a": {"url": new.url, "concurrency": 1}}, one="a")
    assert (await _reload(relay)).status == 200
    old.open.set()
    await new.wait_for(4)
    for event_id in ids:
        assert (await relay.fate(event_id, "a"))["attempts"] == 1
    assert [one.id for one in old.requests] + [one.id for one in new.requests] == ids


async def test_what_only_a_restart_can_change_is_said(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A reload with a changed listener or store is refused with 422, which names it.

    Nothing else is taken over either.
    """
    _write(site, {"a": {"url": target.url}}, one="a")
    relay = await start_relay(site)
    _write(site, {"a": {"url": target.url}}, one="a", two="a")
    site.configure({"a": {"url": target.url}}, store="sqlite:../var/other.db")
    answer = await _reload(relay)
    assert (answer.status, [one["message"] for one in answer.json["problems"]]) == (
        422,
        ["store was changed"],
    )
    assert (await relay.post("two", {})).status == 404


async def test_hangup_reloads_a_process(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """`kill -HUP` is the way of daemons; a broken file does not end them."""
    _write(site, {"a": {"url": target.url}}, one="a")
    process = await start_process(site)
    relay = Client(process.public, process.admin)
    broken = site.routes / "two" / "route.yaml"
    broken.parent.mkdir()
    broken.write_text("verify: {scheme: nonne}")
    process.send(signal.SIGHUP)
    await relay.until_value(0, "relay_config_last_reload_successful")
    _write(site, {"a": {"url": target.url}}, one="a", two="a")
    process.send(signal.SIGHUP)
    await relay.until_value(2, "relay_config_generation")
    await relay.accepted("two", {})
    await relay.close()
    assert await process.terminate() == 0


async def test_watching_process_reloads_when_a_file_changes(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """With --watch nobody needs to say that a route was added."""
    _write(site, {"a": {"url": target.url}}, one="a")
    process = await start_process(site, None, "--watch")
    relay = Client(process.public, process.admin)
    _write(site, {"a": {"url": target.url}}, one="a", two="a")
    await relay.until_value(1, "relay_config_last_reload_successful")

    async def served() -> bool:
        return (await relay.post("two", {})).status == 202

    await until(served, "the new route to be served")
    await relay.close()
    assert await process.terminate() == 0
