"""A real Prometheus scrapes the relay: series are well formed, complete from the start, bounded."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from relay.errors import DeliveryReason, RequestReason
from tests.support.process import run
from tests.support.program import listening
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Reply, Target
from tests.support.waiting import until

CONFIG = """
scrape_configs:
  - job_name: relay
    scrape_interval: 200ms
    scrape_timeout: 200ms
    static_configs: [{{targets: ["{address}"]}}]
"""
# Every name that DESIGN fixes for what the relay does so far, as it stands on the page.
NAMES = {
    "relay_requests_total",
    "relay_request_duration_seconds_count",
    "relay_request_bytes_count",
    "relay_forwards_total",
    "relay_attempts_total",
    "relay_attempt_duration_seconds_count",
    "relay_delivery_latency_seconds_count",
    "relay_pending_deliveries",
    "relay_oldest_pending_seconds",
    "relay_dead_letters",
    "relay_breaker_state",
    "relay_commit_duration_seconds_count",
    "relay_commit_operations_count",
    "relay_store_bytes",
    "relay_config_generation",
    "relay_config_last_reload_successful",
    "relay_config_last_reload_success_timestamp_seconds",
    "relay_build_info",
}


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    """Return a relay with one route and one target."""
    site.configure({"hook": {"url": target.url, "give_up_on": [400]}})
    site.route("in", {"forward": [{"to": "hook", "when": 'body.kind == "a"'}]})
    return await start_relay(site)


async def _traffic(relay: Running, target: Target) -> None:
    """Make one delivered, one dead, one skipped, and one rejected."""
    await relay.fate(await relay.accepted("in", {"kind": "a"}), "hook")
    target.script.append(Reply(400))
    await relay.fate(await relay.accepted("in", {"kind": "a"}), "hook")
    await relay.accepted("in", {"kind": "b"})
    assert (await relay.post("in", b"{")).status == 400


async def test_prometheus_scrapes_the_relay(relay: Running, target: Target, tmp_path: Path) -> None:
    """Prometheus' API answers queries with the events that happened."""
    await _traffic(relay, target)
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "config.yml").write_text(CONFIG.format(address=relay.admin.removeprefix("http://")))
    command = (
        "prometheus",
        "--config.file=config.yml",
        "--storage.tsdb.path=data",
        "--web.listen-address=127.0.0.1:0",
        "--web.external-url=http://prometheus.example/",
        "--web.route-prefix=/",
    )
    async with listening(*command, cwd=folder) as url:

        async def ask(query: str) -> dict[frozenset[tuple[str, str]], float]:
            answer = await relay.request("GET", f"{url}/api/v1/query?query={quote(query)}")
            # It answers 503 until it is ready.
            found: list[dict[str, Any]] = (
                answer.json["data"]["result"] if answer.status == 200 else []
            )
            return {frozenset(one["metric"].items()): float(one["value"][1]) for one in found}

        async def scraped() -> bool:
            return await ask("sum(up)") == {frozenset(): 1.0}

        await until(scraped, "a scrape")
        assert await ask("sum by (outcome, reason) (relay_requests_total > 0)") == {
            frozenset({("outcome", "accepted")}): 3.0,
            frozenset({("outcome", "rejected"), ("reason", "malformed")}): 1.0,
        }
        assert await ask("sum by (target, reason) (relay_dead_letters > 0)") == {
            frozenset({("target", "hook"), ("reason", "refused")}): 1.0
        }
        assert await ask('sum by (outcome) (relay_attempts_total{target="hook"} > 0)') == {
            frozenset({("outcome", "delivered")}): 1.0,
            frozenset({("outcome", "dead")}): 1.0,
        }
        names = await ask('count by (__name__) ({job="relay", __name__=~"relay_.+"})')
        assert {dict(labels)["__name__"] for labels in names} >= NAMES
        quantile = await ask("histogram_quantile(0.5, relay_delivery_latency_seconds_bucket)")
        assert all(0 < value < 10 for value in quantile.values())
        assert quantile


async def test_promtool_has_no_complaint(relay: Running, target: Target, tmp_path: Path) -> None:
    """`promtool check metrics` says nothing at all."""
    await _traffic(relay, target)
    metrics = (await relay.request("GET", f"{relay.admin}/metrics")).body
    said = await run("check", "metrics", cwd=tmp_path, stdin=metrics, program="promtool")
    assert (said.code, said.out, said.err) == (0, "", "")


async def test_every_series_stands_at_zero_before_anything_happens(relay: Running) -> None:
    """Every reason has its series from the start, so that a rate over it misses no first time."""
    series = await relay.series()
    assert {name for name, _ in series} >= NAMES
    for refusal in RequestReason:
        for route in ("", "in"):
            labels = {"route": route, "outcome": refusal.outcome.value, "reason": refusal.value}
            assert series["relay_requests_total", frozenset(labels.items())] == 0
    for outcome in ("accepted", "quarantined", "duplicate", "handshake"):
        labels = {"route": "in", "outcome": outcome, "reason": ""}
        assert series["relay_requests_total", frozenset(labels.items())] == 0
    for reason in DeliveryReason:
        for verdict in ("retry", "dead"):
            labels = {"target": "hook", "outcome": verdict, "reason": reason.value}
            assert series["relay_attempts_total", frozenset(labels.items())] == 0
        labels = {"target": "hook", "reason": reason.value}
        assert series["relay_dead_letters", frozenset(labels.items())] == 0
    for outcome in ("owed", "skipped", "error"):
        labels = {"route": "in", "target": "hook", "outcome": outcome}
        assert series["relay_forwards_total", frozenset(labels.items())] == 0
    assert series["relay_pending_deliveries", frozenset({("target", "hook")})] == 0


async def test_nothing_that_strangers_or_senders_write_makes_a_series(
    relay: Running, target: Target
) -> None:
    """Unknown paths, methods, ids and types add no series, nor does any fate that there is."""
    before = (await relay.series()).keys()
    for n in range(20):
        await relay.request("POST", f"{relay.public}/in/stranger-{n}?q={n}", b"{}")
        await relay.request(f"METHOD{n}", f"{relay.public}/in/in")
        await relay.post("in", {"kind": f"kind-{n}", "id": n}, {"x-id": str(n)})
    await _traffic(relay, target)
    assert (await relay.series()).keys() == before
