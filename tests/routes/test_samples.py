"""The shipped routes keep their samples' promises, and use no more of the relay than they may."""

import ast
import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from relay.config import Loaded, SecretsMode, load
from relay.routing.sample import Sample, judge, read_sample

ROOT = Path(__file__).parents[2]
ROUTES = sorted(path.parent for path in ROOT.glob("routes/*/route.yaml"))
SAMPLES = sorted(ROOT.glob("routes/*/samples/*.json"))
CODE = sorted(ROOT.glob("routes/*/*.py"))
ALLOWED = {"relay.Event", "relay.Request"}


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return load(ROOT / "config" / "relay.yaml", SecretsMode.PRETEND)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_sample_comes_out_as_it_expects(shipped: Loaded, path: Path) -> None:
    """A sample has the outcome that its `expect` says, for every target."""
    route = shipped.routes[path.parts[-3]]
    assert judge(read_sample(path), route, shipped.targets) == []


@pytest.mark.parametrize("folder", ROUTES, ids=lambda folder: folder.name)
def test_route_shows_what_it_takes_and_what_it_refuses(folder: Path) -> None:
    """Every route has a sample that its targets get, and one that is refused."""
    expected = [read_sample(path).expect for path in folder.glob("samples/*.json")]
    assert any(isinstance(expect, dict) and expect for expect in expected)
    assert any(
        isinstance(expect, str) and expect not in {"accepted", "quarantined"} for expect in expected
    )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_compressed_sample_fares_the_same(shipped: Loaded, path: Path) -> None:
    """A sender that compresses its body gets the same answer, its targets the same requests."""
    sample, route = read_sample(path), shipped.routes[path.parts[-3]]
    headers = {**sample.headers, "content-encoding": "gzip"}
    compressed = replace(sample, raw=gzip.compress(sample.raw), headers=headers)
    assert judge(compressed, route, shipped.targets) == []


def test_second_request_to_a_target_is_a_fault(tmp_path: Path) -> None:
    """A sample that expects one request of a target is not content with two."""
    folder = tmp_path / "routes" / "twice"
    folder.mkdir(parents=True)
    (folder / "route.yaml").write_text(
        "verify: {scheme: none}\n"
        "forward: [{to: chat, name: first, body: '1'}, {to: chat, name: second, body: '2'}]\n"
    )
    config = tmp_path / "relay.yaml"
    config.write_text("routes: routes\ntargets: {chat: {file: chat.jsonl}}\n")
    loaded = load(config, SecretsMode.PRETEND)
    sample = Sample("two", b"{}", {}, {}, "", signed=True, expect={"chat": {"body": 2}})
    assert judge(sample, loaded.routes["twice"], loaded.targets) != []


@pytest.mark.parametrize("path", CODE, ids=lambda path: f"{path.parts[-2]}/{path.name}")
def test_route_code_imports_only_event_and_request(path: Path) -> None:
    """A route's code depends on nothing of the relay but the two names that are kept for it."""
    assert relay_imports(path.read_text()) <= ALLOWED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import relay", {"relay"}),
        ("import json, relay.stores.contract as s", {"relay.stores.contract"}),
        ("from relay import Event, lanes", {"relay.Event", "relay.lanes"}),
        ("from relay.event import Event", {"relay.event.Event"}),
        ("def late():\n    from relay import *", {"relay.*"}),
        ("from relayed import Event\nfrom .payload import relay\nfrom . import relay", set()),
    ],
)
def test_relay_imports_are_found(source: str, found: set[str]) -> None:
    """The check above sees every form of an import statement, wherever it stands."""
    assert relay_imports(source) == found


def relay_imports(source: str) -> set[str]:
    """Return the dotted names of the relay that a module's import statements name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.partition(".")[0] == "relay"}
