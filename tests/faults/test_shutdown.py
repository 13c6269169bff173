"""SIGTERM with everything in flight.

Attempts that can end do; the rest goes on after the restart and has cost nothing.
"""

import asyncio
import contextlib
import signal

import pytest

from tests.support.client import Client
from tests.support.process import RelayProcess, StartProcess
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import DEADLINE, until
from tests.support.wire import exchange, statuses

pytestmark = pytest.mark.fault(30)

ENDLESS = """
from pathlib import Path

Path(__file__).with_name("began").touch()
while True:
    pass
"""
POST = b"POST /in/in HTTP/1.1\r\nHost: relay\r\nContent-Length: 2\r\n"


def _write(site: Site, target: Target, grace: str) -> None:
    site.configure({"hook": {"url": target.url, "concurrency": 4}}, limits={"shutdown": grace})
    site.route("in", {"forward": [{"to": "hook"}]})


async def _accept(process: RelayProcess, count: int) -> list[str]:
    client = Client(process.public, process.admin)
    try:
        return [await client.accepted("in", {"n": n}) for n in range(count)]
    finally:
        await client.close()


async def _connect(process: RelayProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = process.public.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _draining(process: RelayProcess) -> None:
    async def unready() -> bool:
        answer = await exchange(
            process.admin, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        return statuses(answer) == [503] and b"draining" in answer

    await until(unready, "readiness to be down")


async def test_what_is_in_flight_ends_and_what_waits_goes_after_the_restart(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """A stopping relay is not ready, takes nobody new, and ends four attempts within the grace.

    Each event arrives once, as attempt 1.
    """
    _write(site, target, "20s")
    target.open.clear()
    process = await start_process(site)
    ids = await _accept(process, 10)
    await target.wait_for(4)
    process.send(signal.SIGTERM)
    await _draining(process)
    with pytest.raises(OSError, match="onnect"):
        await _connect(process)
    target.open.set()
    assert await process.ended() == 0
    assert len(target.requests) == 4
    process = await start_process(site)
    await target.wait_for(10)
    assert await process.terminate() == 0
    assert sorted(request.id for request in target.requests) == sorted(ids)
    assert {request.headers["relay-attempt"] for request in target.requests} == {"1"}


async def test_attempt_that_outlasts_the_grace_has_cost_nothing(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """An attempt longer than the grace is cut off and made again after the restart.

    It is still the first attempt, at the target and in the record.
    """
    _write(site, target, "200ms")
    target.open.clear()
    process = await start_process(site)
    ids = await _accept(process, 6)
    await target.wait_for(4)
    assert await process.terminate() == 0
    target.open.set()
    process = await start_process(site)
    await target.wait_for(10)
    client = Client(process.public, process.admin)
    try:
        for event_id in ids:
            fate = await client.fate(event_id, "hook")
            assert (fate["state"], fate["attempts"]) == ("delivered", 1)
    finally:
        await client.close()
    assert await process.terminate() == 0
    assert {request.headers["relay-attempt"] for request in target.requests} == {"1"}
    assert {request.id for request in target.requests} == set(ids)


async def test_open_connections_are_closed_cleanly_and_a_request_under_way_is_answered(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """An idle connection gets an end, no reset; a new request on one 503.

    A body half sent may be sent to its end, and is accepted.
    """
    _write(site, target, "20s")
    process = await start_process(site)
    idle, half, late = [await _connect(process) for _ in range(3)]
    idle[1].write(POST + b"\r\n{}")
    assert (await idle[0].readuntil(b"}")).startswith(b"HTTP/1.1 202")
    half[1].write(POST + b"\r\n{")
    await target.wait_for(1)
    client = Client(process.public, process.admin)
    await client.accepted("in", {})  # what was sent before it has arrived
    await client.close()
    process.send(signal.SIGTERM)
    await _draining(process)
    late[1].write(POST + b"\r\n{}")
    async with asyncio.timeout(DEADLINE):
        assert statuses(await late[0].read()) == [503]
        half[1].write(b"}")
        assert statuses(await half[0].read()) == [202]
        assert await idle[0].read() == b""
    for _, writer in (idle, half, late):
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    assert await process.ended() == 0
    process = await start_process(site)
    await target.wait_for(3)
    assert await process.terminate() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_whoever_asks_twice_does_not_wait(
    site: Site, start_process: StartProcess, target: Target, second: signal.Signals
) -> None:
    """The second signal ends it at once, as a kill would: nothing is lost."""
    _write(site, target, "1h")
    target.open.clear()
    process = await start_process(site)
    ids = await _accept(process, 5)
    await target.wait_for(4)
    process.send(signal.SIGTERM)
    await _draining(process)
    process.send(second)
    assert await process.ended() == 128 + second
    target.open.set()
    process = await start_process(site)
    await target.wait_for(9)
    assert await process.terminate() == 0
    assert {request.id for request in target.requests} == set(ids)


async def test_reload_that_hangs_does_not_keep_it_from_ending(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """Code that never ends its import: the relay ends all the same."""
    _write(site, target, "200ms")
    process = await start_process(site)
    (event_id,) = await _accept(process, 1)
    site.route("bad", {"forward": [{"to": "hook", "transform": "t.py:change"}]}, {"t.py": ENDLESS})
    process.send(signal.SIGHUP)

    async def imports() -> bool:
        return (site.routes / "bad" / "began").exists()

    await until(imports, "the import to begin")
    process.send(signal.SIGTERM)

    assert await process.ended() == 0
    assert "reload_abandoned" in process.log
    assert [request.id for request in target.requests] == [event_id]
