"""The user's own metrics from the payload, as a scrape of a real relay shows them."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.metrics.restore import Pace, Restorer
from tests.support.client import JSON, Client
from tests.support.process import StartProcess
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.waiting import until

SCHEMA = '{"type": "object", "required": ["id"]}'
COMMITS: dict[str, Any] = {
    "name": "commits_total", "type": "counter", "value": "size(body.commits)",
    "labels": {"repo": "body.repo"},
    "when": "has(body.commits)", "help": "What was pushed.",
}  # fmt: skip
OPEN: dict[str, Any] = {
    "name": "obstacle_due_timestamp_seconds", "type": "gauge", "value": "timestamp(body.due)",
    "labels": {"id": "body.obstacle"}, "when": "has(body.obstacle)",
    "remove": 'event.type == "resolved"',
}  # fmt: skip
SIZES: dict[str, Any] = {
    "name": "delegates", "type": "histogram", "buckets": [10, 100], "each": "body.delegations",
    "value": "item.n",
    "when": "has(item.n)",
}  # fmt: skip
DUE = {"id": "1", "obstacle": "road", "due": "2026-11-23T08:00:00Z", "type": "raised"}
AT = 1795420800.0


def _write(site: Site, *metrics: dict[str, Any], name: str = "in", **more: Any) -> None:
    site.configure({"log": {"file": "../var/log.jsonl"}})
    folder = site.routes / name
    folder.mkdir(exist_ok=True)
    (folder / "s.json").write_text(SCHEMA)
    content = {
        "verify": {"scheme": "none"}, "event": {"id": "body.id", "type": "body.type"},
        "payload": {"schema": "s.json", "invalid": "quarantine"},
        "forward": [{"to": "log"}], "metrics": metrics, **more,
    }  # fmt: skip
    (folder / "route.yaml").write_text(json.dumps(content))


async def _shown(relay: Running, name: str) -> dict[str, float]:
    """Return the series of a metric with one label, by the label's value."""
    text = (await relay.request("GET", f"{relay.admin}/metrics")).body.decode()
    return {
        ",".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def _until_shown(relay: Running, name: str, expected: dict[str, float]) -> None:
    async def same() -> bool:
        return await _shown(relay, name) == expected

    await until(same, f"{name} to be {expected}, not {await _shown(relay, name)}")


async def _reload(relay: Running) -> None:
    assert (await relay.request("POST", f"{relay.admin}/api/reload", b"{}", JSON)).status == 200


async def test_accepted_events_are_observed_once(site: Site, start_relay: StartRelay) -> None:
    """A duplicate and what is in quarantine are not, nor what a `when` leaves out."""
    _write(site, COMMITS, SIZES)
    relay = await start_relay(site)
    push = {"id": "1", "repo": "a", "commits": [1, 2], "delegations": [{"n": 5}, {}, {"n": 50}]}
    await relay.accepted("in", push)
    assert (await relay.post("in", push)).json["duplicate"]
    assert (await relay.post("in", {"repo": "a", "commits": [1]})).status == 202
    await relay.accepted("in", {"id": "2", "repo": "a", "commits": [1], "delegations": []})
    await relay.accepted("in", {"id": "3", "delegations": []})
    assert await _shown(relay, "commits_total") == {"a": 3.0}
    assert await _shown(relay, "delegates_bucket") == {"10.0": 1.0, "100.0": 2.0, "+Inf": 2.0}
    text = (await relay.request("GET", f"{relay.admin}/metrics")).body.decode()
    assert "# HELP commits_total What was pushed.\n# TYPE commits_total counter" in text


async def test_expression_that_fails_is_counted_and_harms_nothing(
    site: Site, start_relay: StartRelay
) -> None:
    """The event is accepted and delivered; the failure is in relay_metric_errors_total."""
    _write(site, OPEN, COMMITS)
    relay = await start_relay(site)
    labels = {"route": "in", "metric": OPEN["name"]}
    assert await relay.value("relay_metric_errors_total", **labels) == 0
    event_id = await relay.accepted(
        "in", {"id": "1", "obstacle": "road", "due": "tomorrow", "type": "raised"}
    )
    assert (await relay.fate(event_id, "log"))["state"] == "delivered"
    assert await relay.value("relay_metric_errors_total", **labels) == 1
    assert await _shown(relay, OPEN["name"]) == {}


async def test_body_that_is_no_json_is_still_accepted(site: Site, start_relay: StartRelay) -> None:
    """A metric over the body does not make a route refuse what it took before."""
    _write(site, COMMITS, payload=None, event={})
    relay = await start_relay(site)
    await relay.accepted("in", b"plain")
    assert await relay.value("relay_metric_errors_total", route="in", metric="commits_total") == 1


async def test_series_are_bounded(site: Site, start_relay: StartRelay) -> None:
    """A sender's texts can't fill the memory of Prometheus; series that are refused are counted."""
    _write(site, {**COMMITS, "series": 2})
    relay = await start_relay(site)
    for n in range(5):
        await relay.accepted("in", {"id": f"{n}", "repo": f"r{n}", "commits": [1]})
    assert await _shown(relay, "commits_total") == {"r0": 1.0, "r1": 1.0}
    refused = {"route": "in", "metric": "commits_total"}
    assert await relay.value("relay_metric_series_refused_total", **refused) == 3


async def test_gauges_are_restored_at_start_and_counters_are_not(
    site: Site, start_relay: StartRelay
) -> None:
    """Gauges follow the stored events in their order, so that none resolved is open again."""
    _write(site, OPEN, COMMITS)
    relay = await start_relay(site)
    await relay.accepted("in", DUE | {"repo": "a", "commits": [1]})
    await relay.accepted("in", DUE | {"id": "2", "obstacle": "bridge"})
    await relay.accepted("in", DUE | {"id": "3", "type": "resolved"})
    await relay.accepted(
        "in", DUE | {"id": "4", "obstacle": "bridge", "due": "2026-11-23T09:00:00Z"}
    )
    expected = {"bridge": AT + 3600}
    await _until_shown(relay, OPEN["name"], expected)
    assert await _shown(relay, "commits_total") == {"a": 1.0}
    await relay.stop()
    relay = await start_relay(site)
    await _until_shown(relay, OPEN["name"], expected)
    assert await _shown(relay, "commits_total") == {}


async def test_gauges_are_right_after_a_kill(
    site: Site, start_process: StartProcess, start_relay: StartRelay
) -> None:
    """An event that was answered 202 is on disk, so its gauge comes back after a kill."""
    _write(site, OPEN)
    process = await start_process(site)
    before = Client(process.public, process.admin)
    await before.accepted("in", DUE)
    await before.close()
    await process.kill()
    await _until_shown(await start_relay(site), OPEN["name"], {"road": AT})


async def test_gauge_that_a_reload_adds_knows_what_came_before(
    site: Site, start_relay: StartRelay
) -> None:
    """Also one whose expressions change; the counter beside it goes on."""
    _write(site, COMMITS)
    relay = await start_relay(site)
    await relay.accepted("in", DUE | {"repo": "a", "commits": [1]})
    _write(site, COMMITS, OPEN)
    await _reload(relay)
    await _until_shown(relay, OPEN["name"], {"road": AT})
    await relay.accepted("in", DUE | {"id": "2", "obstacle": "bridge"})
    _write(site, COMMITS, {**OPEN, "labels": {"obstacle": '"the " + body.obstacle'}})
    await _reload(relay)
    await _until_shown(relay, OPEN["name"], {"the road": AT, "the bridge": AT})
    assert await _shown(relay, "commits_total") == {"a": 1.0}
    _write(site)
    await _reload(relay)
    assert await _shown(relay, OPEN["name"]) == {}


async def test_event_released_from_quarantine_counts_and_takes_its_place(
    site: Site, start_relay: StartRelay
) -> None:
    """A counter counts it then; of a gauge, what was accepted later still decides."""
    _write(site, COMMITS, OPEN)
    relay = await start_relay(site)
    invalid = {name: value for name, value in DUE.items() if name != "id"} | {
        "repo": "a",
        "commits": [1],
    }
    held = await relay.accepted("in", invalid)
    other = await relay.accepted("in", invalid | {"obstacle": "bridge"})
    await relay.accepted("in", DUE | {"type": "resolved"})
    assert await _shown(relay, "commits_total") == {}
    _write(site, COMMITS, OPEN, payload=None)
    await _reload(relay)
    for event_id in (held, other):
        assert (await relay.replay(event_id))["replayed"] == ["log"]
    assert await _shown(relay, "commits_total") == {"a": 2.0}
    await _until_shown(relay, OPEN["name"], {"bridge": AT})


async def test_events_that_arrive_while_gauges_are_restored_are_in_the_right_order(
    site: Site, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, with commits in between: the last event of each decides."""
    pace = Pace(events=7, work=0.0)
    monkeypatch.setattr("relay.app.Restorer", partial(Restorer, pace=pace))
    _write(site, OPEN)
    relay = await start_relay(site)

    async def post(n: int) -> None:
        kind = "resolved" if n % 5 == 4 else "raised"
        due = f"2026-11-23T08:{n // 60:02}:{n % 60:02}Z"
        await relay.accepted(
            "in", {"id": f"{n}", "obstacle": f"o{n % 7}", "due": due, "type": kind}
        )

    for n in range(150):
        await post(n)
    await relay.stop()
    relay = await start_relay(site)
    for n in range(150, 300):
        await post(n)
    expected: dict[str, float] = {}
    for n in range(300):
        expected.pop(f"o{n % 7}", None)
        if n % 5 != 4:
            expected[f"o{n % 7}"] = AT + n
    await _until_shown(relay, OPEN["name"], expected)


async def test_store_that_can_not_be_read_is_asked_again(
    site: Site, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gauges come late rather than never; commits go on meanwhile."""
    monkeypatch.setattr("relay.app.Restorer", partial(Restorer, pace=Pace(pause=0.01)))
    _write(site, COMMITS)
    relay = await start_relay(site)
    await relay.accepted("in", DUE)
    walk, mended = relay.relay.store.asking.walk, asyncio.Event()

    async def failing(*arguments: Any) -> Any:
        if not mended.is_set():
            raise OSError("the disk is slow today")
        return await walk(*arguments)

    monkeypatch.setattr(relay.relay.store.asking, "walk", failing)
    _write(site, OPEN)
    await _reload(relay)
    await relay.accepted("in", DUE | {"id": "2", "obstacle": "bridge"})
    assert await _shown(relay, OPEN["name"]) == {}
    mended.set()
    await _until_shown(relay, OPEN["name"], {"road": AT, "bridge": AT})


async def test_secret_headers_are_not_seen(site: Site, start_relay: StartRelay) -> None:
    """A label can't hold a header that the relay does not even store.

    In Prometheus it would stand for a year.
    """
    label = {"who": 'has(headers.authorization) ? headers.authorization : "nobody"'}
    _write(site, {"name": "seen_total", "type": "counter", "labels": label})
    relay = await start_relay(site)
    await relay.accepted("in", {"id": "1"}, {"authorization": "Bearer secret"})
    assert await _shown(relay, "seen_total") == {"nobody": 1.0}
