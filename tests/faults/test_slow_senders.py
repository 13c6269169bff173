"""Senders that are slow, silent or break off: let go in time, nothing stored or held up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.app import Bounds
from tests.support.process import RelayProcess, StartProcess
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import DEADLINE
from tests.support.wire import exchange, statuses

pytestmark = pytest.mark.fault(20)

HEAD = b"POST /in/in HTTP/1.1\r\nhost: relay\r\n"


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    """Return a relay with little patience."""
    site.configure({"hook": {"url": target.url}}, limits={"body_timeout": "300ms"})
    site.route("in", {"forward": [{"to": "hook"}]})
    return await start_relay(site, Bounds(head=0.3))


@contextlib.asynccontextmanager
async def connection(
    relay: Running,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = relay.public.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send byte by byte, for as long as anyone listens."""
    with contextlib.suppress(OSError):
        for n in range(len(data)):
            writer.write(data[n : n + 1])
            await writer.drain()
            await asyncio.sleep(0.05)  # the fault itself


async def dripped(relay: Running, data: bytes) -> bytes:
    """Drip the data; return what came until the relay closed the connection, which it must."""
    async with connection(relay) as (reader, writer):
        dripping = asyncio.create_task(drip(writer, data))
        try:
            async with asyncio.timeout(DEADLINE):
                with contextlib.suppress(ConnectionError):
                    return await reader.read()
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
    return b""


@pytest.mark.parametrize("sent", [b"", b"POST", HEAD, HEAD + b"x-a: b"], ids=repr)
async def test_connection_that_sends_no_whole_head_is_closed(relay: Running, sent: bytes) -> None:
    """Silent from the start, or after a part of the head: closed, nothing stored."""
    assert statuses(await exchange(relay.public, sent)) in ([], [408])
    assert await relay.events() == []


async def test_dripped_head_is_closed(relay: Running) -> None:
    """A byte now and then does not win more time."""
    assert statuses(await dripped(relay, HEAD + b"x-a: " + b"b" * 8000)) in ([], [408])
    assert await relay.events() == []


@pytest.mark.parametrize(
    "framing",
    [b"content-length: 5000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n1388\r\n"],
    ids=["length", "chunked"],
)
async def test_dripped_body_is_answered_408(relay: Running, framing: bytes) -> None:
    """The time is for the whole body; afterwards the connection is closed."""
    async with connection(relay) as (reader, writer):
        writer.write(HEAD + framing)
        dripping = asyncio.create_task(drip(writer, b"x" * 5000))
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await reader.readuntil(b"\r\n\r\n")
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
    assert statuses(answer) == [408]
    assert await relay.events() == []


@pytest.mark.parametrize(
    "sent",
    [
        b"content-length: 10\r\n\r\n12345",
        b"transfer-encoding: chunked\r\n\r\na\r\n12345",
        b"transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"transfer-encoding: chunked\r\n\r\n",
        b"content-length: 10\r\n\r\n",
    ],
    ids=repr,
)
async def test_body_that_is_cut_short_is_not_stored(relay: Running, sent: bytes) -> None:
    """The sender ends its side within the body: no 2xx, nothing stored, counted as malformed."""
    answers = await exchange(relay.public, HEAD + sent, ends=True)
    assert statuses(answers) in ([], [400])
    await relay.until_value(
        1, "relay_requests_total", route="in", outcome="rejected", reason="malformed"
    )
    assert await relay.events() == []


async def test_many_slow_senders_hold_up_nobody(relay: Running, target: Target) -> None:
    """With 200 connections that send nothing or only drip, others are answered and delivered."""
    async with contextlib.AsyncExitStack() as stack:
        dripping = []
        for n in range(200):
            _, writer = await stack.enter_async_context(connection(relay))
            if n % 2:
                dripping.append(
                    asyncio.create_task(
                        drip(writer, HEAD + b"content-length: 900\r\n\r\n" + b"x" * 900)
                    )
                )
        for n in range(20):
            await relay.accepted("in", {"n": n})
        await target.wait_for(20)
        for task in dripping:
            task.cancel()
        await asyncio.gather(*dripping, return_exceptions=True)
    assert len(await relay.events()) == 20


async def test_silent_connections_are_all_let_go(relay: Running) -> None:
    """Nothing of 100 silent connections is left once their time is over."""
    async with contextlib.AsyncExitStack() as stack:
        readers = [(await stack.enter_async_context(connection(relay)))[0] for _ in range(100)]
        async with asyncio.timeout(DEADLINE):
            assert set(await asyncio.gather(*(reader.read() for reader in readers))) <= {b""}


def resident(process: RelayProcess) -> int:
    """Return the memory in MiB that a process has now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) >> 10


async def test_bodies_that_break_off_keep_no_memory(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """Of forty bodies, each a byte short of 8 MiB when its sender goes, nothing stays."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"limits": {"body": "8MiB"}, "forward": [{"to": "hook"}]})
    process = await start_process(site)
    size = 8 << 20
    head = f"POST /in/in HTTP/1.1\r\nhost: relay\r\ncontent-length: {size}\r\n\r\n".encode()
    await exchange(process.public, head, bytes(size - 1), ends=True)
    before = resident(process)
    for _ in range(40):
        await exchange(process.public, head, bytes(size - 1), ends=True)
    assert resident(process) < before + 32
