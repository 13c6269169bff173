"""`relay sink` as a process: prints what it gets, and misbehaves as told."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from relay.sink.faults import FAULTS, parse
from tests.support.process import RELAY, run
from tests.support.site import Site
from tests.support.waiting import DEADLINE

_LISTENING = re.compile(rb"listening on (http://[0-9.:]+/)")


@asynccontextmanager
async def sinking(site: Site, *arguments: str) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """Run a sink on a free port; give its URL and what it prints."""
    # With PYTHONUNBUFFERED, which many containers set, every line would come at once even if the
    # sink did not see to it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = await asyncio.create_subprocess_exec(
        RELAY, "sink", "--listen", "127.0.0.1:0", *arguments, cwd=site.root, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE):
            said = await process.stderr.readline()
            found = _LISTENING.search(said)
            assert found, said
        yield found[1].decode(), process.stdout
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE):
            await process.communicate()
    assert process.returncode == 0


Ask = Callable[[str], Awaitable[int]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Return what posts to a URL and gives the answer's status."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def post(url: str) -> int:
            async with session.post(url, json={"name": "Lan"}, allow_redirects=False) as response:
                return response.status

        yield post


async def test_sink_prints_each_request_and_answers_200(site: Site, ask: Ask) -> None:
    """As JSON: method, path, headers and body."""
    async with sinking(site, "--json") as (url, out):
        assert await ask(url + "hook") == 200
        text = b""
        async with asyncio.timeout(DEADLINE):
            while not text.endswith(b"}\n") or text.count(b"{") > text.count(b"}"):
                text += await out.readline()
    told = json.loads(text)
    assert (told["method"], told["path"], json.loads(told["body"])) == (
        "POST",
        "/hook",
        {"name": "Lan"},
    )
    assert told["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("fail-first=2", [500, 500, 200]),
        ("status=418", [418, 418]),
        ("retry-after=120", [429, 200]),
        ("redirect=307", [307]),
        ("stall=0.01", [200]),
    ],
)
async def test_sink_answers_as_told(site: Site, ask: Ask, fault: str, statuses: list[int]) -> None:
    """Each fault with a value of its own."""
    async with sinking(site, "--quiet", "--fault", fault) as (url, _):
        assert [await ask(url) for _ in statuses] == statuses


async def test_sink_breaks_connections(site: Site, ask: Ask) -> None:
    """A reset reaches the other side as one."""
    async with sinking(site, "--quiet", "--fault", "reset") as (url, _):
        with pytest.raises(aiohttp.ClientError):
            await ask(url)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("nothing", "there is no 'nothing'; there are status, fail-first"),
        ("hang=3", "hang takes no value"),
        ("fail-first=often", "fail-first takes a number of count, not 'often'"),
    ],
)
async def test_unknown_fault_exits_2_and_names_what_there_is(
    site: Site, fault: str, said: str
) -> None:
    """Wrong use is told before anything listens."""
    ran = await run("sink", "--fault", fault, cwd=site.root)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_every_fault_has_a_name_and_a_line() -> None:
    """The help can tell what each does."""
    for name, kind in FAULTS.items():
        assert isinstance(parse(name), kind)
        assert (kind.__doc__ or "").endswith(".")
