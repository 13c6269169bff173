"""A relay, configured as a scenario wants it."""

import contextlib
import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.bench.load import Request
from tests.bench.process import SYSTEM_CORE, running
from tests.bench.scenarios import MIB, Obstacle, Scenario
from tests.bench.system import Bench, Started, body_of, counting, request
from tests.support.site import REPOSITORY, Site

STORED_FOR = "down"  # the route and the target of what is pending beside
_TOKEN = "bench-token"


@contextlib.contextmanager
def relay(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
    """Start a relay on the scenario's store, or on a new one."""
    site = Site(folder / "site")
    _configure(site, bench, scenario)
    relay_command = Path(sys.executable).with_name("relay")
    command: list[str | Path] = [
        *bench.under,
        relay_command,
        "run",
        "--json",
        "--config",
        site.config,
    ]
    environment = counting(bench, folder) | {"BENCH_TOKEN": _TOKEN}
    with running(SYSTEM_CORE, command, folder, environment) as process:
        port = int(process.json()["incoming"][0].split("/")[2].rpartition(":")[2])
        yield Started((process,), _relay_request(site, scenario, port), folder / "syncs")


def fresh(bench: Bench, scenario: Scenario, folder: Path) -> AbstractContextManager[Started]:
    """Start a relay with an empty store, whatever the scenario has stored."""
    return relay(replace(bench, store=None), scenario, folder)


def _configure(site: Site, bench: Bench, scenario: Scenario) -> None:
    url = bench.target
    targets: dict[str, Any] = {
        f"t{n:06d}": {"url": url} for n in range(max(scenario.owes, scenario.routes))
    }
    names = list(targets)
    match scenario.obstacle:
        case Obstacle.SLOW:
            targets = {name: {"url": url, "concurrency": 256} for name in names}
        case Obstacle.DEAD:
            targets["dead"] = {"url": bench.dead}
            names.append("dead")
        case Obstacle.PENDING:
            targets[STORED_FOR] = {"url": bench.dead}
            site.route(STORED_FOR, {"forward": [{"to": STORED_FOR}]})
        case Obstacle.NONE | Obstacle.STORED | Obstacle.RESTART:
            pass
    settings = {} if bench.store is None else {"store": f"sqlite:{bench.store}"}
    if scenario.is_github:
        targets = {"chat": {"url": url}, "inbox": {"file": "../var/inbox.jsonl"}}
        site.shipped_route("github")
        if not scenario.file_too:
            _filter(site.routes / "github" / "route.yaml")
    elif scenario.routes > 1:
        for n, name in enumerate(names):
            site.route(f"r{n:06d}", _route([{"to": name}]))
    else:
        forwards = [{"to": name} for name in names]
        forwards += [
            {"to": names[0], "name": f"no-{n}", "when": f"body.shard == {n}"}
            for n in range(1, scenario.filtered + 1)
        ]
        site.route("bench", _route(forwards))
    site.configure(targets, **settings)


def _filter(route: Path) -> None:
    """Leave the model, the transform and the filters of the shipped route, with a third.

    The forward to the file is taken out.
    """
    content = YAML(typ="safe", pure=True).load(route)
    content["forward"] = [forward for forward in content["forward"] if "when" in forward]
    content["forward"].append({"name": "release", "to": "chat", "when": 'event.type == "release"'})
    route.write_text(json.dumps(content))


def _route(forwards: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "verify": {"scheme": "token", "secrets": ["env:BENCH_TOKEN"]},
        "limits": {"body": f"{2 * MIB}B"},
        "forward": forwards,
    }


def _relay_request(site: Site, scenario: Scenario, port: int) -> Request:
    if scenario.is_github:
        sample = json.loads((REPOSITORY / "routes/github/samples/push.json").read_text())
        body = json.dumps(sample["body"], separators=(",", ":"), ensure_ascii=False).encode()
        signature = hmac.new(
            site.secret("github").strip().encode(), body, hashlib.sha256
        ).hexdigest()
        headers = {
            "x-github-event": "push",
            "x-github-delivery": "bench-@unique@@@@@",
            "x-hub-signature-256": f"sha256={signature}",
        }
        return request(port, "/in/github", body, headers)
    path = "/in/r@turn@" if scenario.routes > 1 else "/in/bench"
    headers = {"authorization": f"Bearer {_TOKEN}"}
    return request(port, path, body_of(scenario.body), headers, scenario.routes)
