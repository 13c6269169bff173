"""`relay export` beside a running relay: all accepted events of a route, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.app import Bounds
from tests.support.client import Client
from tests.support.process import Ran, StartProcess, run
from tests.support.running import Running, StartRelay
from tests.support.site import Site

SCHEMA = '{"type": "object", "required": ["n"]}'


@pytest.fixture
async def relay(request: pytest.FixtureRequest, site: Site, start_relay: StartRelay) -> Running:
    """Return a relay with events of two routes, one of them in quarantine.

    A test may give it `Bounds` as its parameter.
    """
    site.configure({"log": {"file": "../var/log.jsonl"}})
    for name in ("in", "other"):
        content = {
            "event": {"type": "body.type"},
            "payload": {"schema": "s.json", "invalid": "quarantine"},
            "forward": [{"to": "log"}],
        }
        site.route(name, content, {"s.json": SCHEMA})
    relay = await start_relay(site, getattr(request, "param", None))
    for n in range(6):
        await relay.accepted(
            "other" if n == 3 else "in", {"n": n, "type": "odd" if n % 2 else "even"}
        )
    await relay.accepted("in", {"m": 6})
    return relay


async def _export(relay: Client, folder: Path, *arguments: str) -> Ran:
    return await run("export", "--url", relay.admin, *arguments, cwd=folder)


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def _numbers(text: str) -> list[int]:
    return [json.loads(line)["body"]["n"] for line in text.splitlines()]


async def test_accepted_events_of_a_route_come_oldest_first(relay: Running, tmp_path: Path) -> None:
    """On standard output, with nothing else; what is in quarantine is not among them."""
    exported = await _export(relay, tmp_path, "--route", "in")
    assert (exported.code, exported.err) == (0, "")
    assert _numbers(exported.out) == [0, 1, 2, 4, 5]
    first = json.loads(exported.out.splitlines()[0])
    assert first["route"] == "in"
    assert first["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize("relay", [Bounds(export_page=1)], indirect=True)
async def test_page_by_page_is_the_same(relay: Running, tmp_path: Path) -> None:
    """The API's pages may be small, or hold nothing of the route: the export is the same."""
    exported = await _export(relay, tmp_path, "--route", "in")
    assert _numbers(exported.out) == [0, 1, 2, 4, 5]
    assert _numbers((await _export(relay, tmp_path, "--route", "other")).out) == [3]


async def test_export_is_narrowed_by_type_and_time(relay: Running, tmp_path: Path) -> None:
    """--since is included, --until is not."""
    assert _numbers((await _export(relay, tmp_path, "--route", "in", "--type", "odd")).out) == [
        1,
        5,
    ]
    future, past = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00+07:00"
    for option, moment, expected in (
        ("--since", past, 5), ("--until", past, 0), ("--since", future, 0), ("--until", future, 5)
    ):  # fmt: skip
        exported = await _export(relay, tmp_path, "--route", "in", option, moment)
        assert (exported.code, len(exported.out.splitlines())) == (0, expected)


async def test_file_takes_the_place_of_the_one_before(relay: Running, tmp_path: Path) -> None:
    """Nothing is left beside it."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "in.jsonl").write_text("old")
    exported = await _export(relay, folder, "--route", "in", "-o", "in.jsonl", "--json")
    assert (exported.code, exported.json) == (0, {"events": 5, "file": "in.jsonl"})
    assert _numbers((folder / "in.jsonl").read_text()) == [0, 1, 2, 4, 5]
    assert [path.name for path in _files(folder)] == ["in.jsonl"]


async def test_failure_leaves_the_file_as_it_was(relay: Running, tmp_path: Path) -> None:
    """A relay, route or folder that is not there ends the export with 1; wrong usage with 2."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "in.jsonl").write_text("old")

    async def fails(code: int, why: str, *arguments: str) -> None:
        exported = await _export(relay, folder, *arguments)
        assert (exported.code, exported.out) == (code, "")
        assert why in exported.err
        assert [(path.name, path.read_text()) for path in _files(folder)] == [("in.jsonl", "old")]

    into = ("-o", "in.jsonl")
    await fails(1, "there is no route 'inn', and no event of it", "--route", "inn", *into)
    await fails(1, "none/in.jsonl: No such file", "--route", "in", "-o", "none/in.jsonl")
    await fails(
        2, "--since: a time is written such as", "--route", "in", "--since", "yesterday", *into
    )
    await fails(2, "--route", *into)
    await relay.relay.stop()
    relay._stopped = True
    await fails(1, "does not answer", "--route", "in", *into)


@pytest.mark.parametrize("relay", [Bounds(export_page=2)], indirect=True)
async def test_answer_that_breaks_off_leaves_no_file(
    relay: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where pages came before."""
    walk = relay.relay.store.asking.walk
    calls: list[Any] = []

    async def failing(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError("the disk is gone")
        return await walk(*arguments)

    monkeypatch.setattr(relay.relay.store.asking, "walk", failing)
    exported = await _export(relay, tmp_path, "--route", "in", "-o", "in.jsonl")
    assert exported.code == 1
    assert [path for path in _files(tmp_path) if "in.jsonl" in path.name] == []


async def test_export_finds_the_relay_by_its_configuration(
    site: Site, start_process: StartProcess
) -> None:
    """With its token, which nobody has to type."""
    site.configure(
        {"log": {"file": "../var/log.jsonl"}},
        admin={"listen": "127.0.0.1:0", "token": "managed:admin"},
    )
    site.route("in", {"forward": [{"to": "log"}]})
    process = await start_process(site)
    client = Client(process.public, process.admin)
    await client.accepted("in", {"n": 1})
    await client.close()
    refused = await run("export", "--url", process.admin, "--route", "in", cwd=site.root)
    assert refused.code == 1
    assert "a token is needed" in refused.err
    token = ("--token", site.secret("admin"))
    exported = await run("export", "--url", process.admin, *token, "--route", "in", cwd=site.root)
    assert (exported.code, _numbers(exported.out)) == (0, [1])
