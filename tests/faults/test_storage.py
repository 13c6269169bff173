"""The store's disk is full, read-only, slow, locked or damaged: answers, and recovery."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from pysqlite3 import dbapi2

from relay.app import Bounds
from tests.faults.shim import Disk
from tests.support.client import Client
from tests.support.process import RelayProcess, StartProcess, run
from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import until


class Observed(Client):
    """A relay as a process, and what its health says."""

    async def ready(self) -> bool:
        return (await self.request("GET", f"{self.admin}/readyz")).status == 200

    async def until_ready(self) -> None:
        await until(self.ready, "the relay to be ready again")


@pytest.fixture
def hooked(site: Site, target: Target) -> Site:
    """Return a site with one route to the target."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    return site


@pytest.fixture
async def relay(hooked: Site, start_process: StartProcess, disk: Disk) -> RelayProcess:
    return await start_process(hooked, disk.counting)


@pytest.fixture
async def client(relay: RelayProcess) -> AsyncIterator[Observed]:
    observed = Observed(relay.public, relay.admin)
    yield observed
    await observed.close()


@pytest.mark.fault(4)
async def test_full_disk_is_answered_503_until_there_is_space(
    client: Observed, disk: Disk, target: Target
) -> None:
    """503 with Retry-After, never 2xx; not ready; deliveries go on; it recovers by itself.

    What was being delivered meanwhile is recorded once there is space, and delivered once.
    """
    target.open.clear()
    held = [await client.accepted("in", {"n": n}) for n in range(5)]
    await target.wait_for(5)
    disk.fail("write ENOSPC")
    answer = await client.post("in", {"n": 100})
    assert (answer.status, answer.json["reason"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert not await client.ready()
    assert await client.value("relay_commit_failures_total") > 0
    target.open.set()
    assert (await client.post("in", {"n": 101})).status == 503
    disk.mend()
    await client.until_ready()  # though nobody asks for anything: it tries by itself
    later = await client.accepted("in", {"n": 102})
    for event_id in (*held, later):
        assert (await client.fate(event_id, "hook"))["attempts"] == 1
    assert [request.id for request in target.requests] == [*held, later]
    assert len(await client.events()) == 6


async def test_disk_that_has_become_read_only_ends_the_relay(
    relay: RelayProcess,
    client: Observed,
    hooked: Site,
    disk: Disk,
    start_process: StartProcess,
    target: Target,
) -> None:
    """Systems remount a failing disk so: never 2xx, exit 1, a start is refused with the reason.

    Once it can be written again, all is there.
    """
    target.open.clear()
    event_id = await client.accepted("in", {"n": 1})
    disk.fail("write EROFS")
    with contextlib.suppress(OSError, aiohttp.ClientError):
        assert (await client.post("in", {"n": 2})).status == 503
    assert await relay.ended() == 1
    disk.fail("open EROFS")
    with pytest.raises(
        AssertionError, match="Read-only file system; check the folder and its mode"
    ):
        await start_process(hooked, disk.environment)
    disk.mend()
    target.requests.clear()
    target.open.set()
    await start_process(hooked)
    assert event_id in {request.id for request in await target.wait_for(1)}


@pytest.mark.fault(4)
async def test_deliveries_in_memory_go_on_while_the_disk_is_full(
    site: Site, start_process: StartProcess, disk: Disk, target: Target
) -> None:
    """Accepted events are attempted one after the other, though no outcome can be recorded."""
    site.configure({"hook": {"url": target.url, "concurrency": 1}})
    site.route("in", {"forward": [{"to": "hook"}]})
    target.open.clear()
    relay = await start_process(site, disk.environment)
    client = Observed(relay.public, relay.admin)
    try:
        ids = [await client.accepted("in", {"n": n}) for n in range(20)]
        await target.wait_for(1)
        disk.fail("write ENOSPC")
        target.open.set()
        await target.wait_for(20)
        disk.mend()
        for event_id in ids:
            assert (await client.fate(event_id, "hook"))["attempts"] == 1
    finally:
        await client.close()
    assert [request.id for request in target.requests] == ids


@pytest.mark.fault(6)
async def test_slow_disk_delays_answers_and_blocks_nothing_else(
    client: Observed, disk: Disk, target: Target
) -> None:
    """While a sync takes its time, health is answered and no 202 is; then the 202 comes."""
    await client.accepted("in", {"n": 0})
    await target.wait_for(1)
    await client.until_value(0, "relay_pending_deliveries", target="hook")
    disk.fail("sync slow")
    syncs = disk.syncs
    post = asyncio.create_task(client.post("in", {"n": 1}))
    health = 0
    while disk.syncs == syncs:
        assert not post.done()
        assert (await client.request("GET", f"{client.admin}/healthz")).status == 200
        health += 1
    assert health > 2
    assert (await post).status == 202
    disk.mend()


@pytest.mark.fault(6)
async def test_locked_file_is_waited_for_shortly_then_answered_503(
    hooked: Site, start_relay: StartRelay
) -> None:
    """While another holds the file: 503 after a bounded wait, health goes on; then 202 again."""
    relay = await start_relay(hooked, Bounds(busy=0.2))
    lock = dbapi2.connect(hooked.var / "relay.db", isolation_level=None)
    try:
        lock.execute("BEGIN IMMEDIATE")
        post = asyncio.create_task(relay.post("in", {"n": 1}))
        while not post.done():
            assert (await relay.request("GET", f"{relay.admin}/healthz")).status == 200
        assert (await post).json["reason"] == "store_unavailable"
        lock.execute("ROLLBACK")
    finally:
        lock.close()

    async def ready() -> bool:
        return (await relay.request("GET", f"{relay.admin}/readyz")).status == 200

    await until(ready, "the relay to be ready again")
    event_id = await relay.accepted("in", {"n": 2})
    assert (await relay.fate(event_id, "hook"))["state"] == "delivered"


@pytest.mark.fault(7)
async def test_frozen_relay_keeps_its_file(hooked: Site, relay: RelayProcess) -> None:
    """While the first is stopped by SIGSTOP, a second one is refused all the same."""
    relay.send(signal.SIGSTOP)
    ran = await run("run", "--config", str(hooked.config), cwd=hooked.root)
    relay.send(signal.SIGCONT)
    assert ran.code == 1
    assert "in use by another relay" in ran.err


@pytest.mark.fault(8)
async def test_relay_frozen_for_longer_than_its_timeouts_goes_on(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """After SIGCONT the attempt whose answer came too late is retried under the same id."""
    hook = {"url": target.url, "timeout": {"total": "300ms"}, "retry": {"schedule": ["10ms"] * 5}}
    site.configure({"hook": hook})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site)
    client = Observed(relay.public, relay.admin)
    try:
        target.open.clear()
        event_id = await client.accepted("in", {})
        await target.wait_for(1)
        relay.send(signal.SIGSTOP)
        await asyncio.sleep(0.5)  # the fault itself: longer than the attempt may take
        target.open.set()
        relay.send(signal.SIGCONT)
        fate = await client.fate(event_id, "hook")
        assert fate["state"] == "delivered"
        assert fate["attempts"] == len(target.requests)
        assert {request.id for request in target.requests} == {event_id}
    finally:
        await client.close()


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"disk": "900000GiB"}, "backlog_full"), ({"pending": 3}, "backlog_full")],
)
async def test_backlog_at_its_limit_is_answered_503(
    site: Site, start_relay: StartRelay, target: Target, limits: dict[str, object], reason: str
) -> None:
    """Too little space left, or too many deliveries pending: 503 before the body is read."""
    target.open.clear()
    site.configure({"hook": {"url": target.url}}, limits=limits)
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    accepted = 0
    while (answer := await relay.post("in", {"n": accepted})).status == 202:
        accepted += 1
        assert accepted <= 3
    assert (answer.status, answer.json["reason"]) == (503, reason)
    assert int(answer.headers["retry-after"]) > 0
    assert accepted == limits.get("pending", 0)
    if accepted:
        target.open.set()
        await relay.until_value(0, "relay_pending_deliveries", target="hook")
        await relay.accepted("in", {"n": 99})
    else:
        health = await relay.request("GET", f"{relay.admin}/readyz")
        assert (health.status, health.json["reason"]) == (503, "the disk is nearly full")


@pytest.mark.fault(28)
async def test_more_requests_than_may_be_open_are_answered_503(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """`limits.requests` holds; open requests are served, and there is room again afterwards."""
    site.configure({"hook": {"url": target.url}}, limits={"requests": 3})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    host, _, port = relay.public.removeprefix("http://").rpartition(":")
    opened = []
    for _ in range(3):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /in/in HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert b"100" in await reader.readuntil(b"\r\n\r\n")
        opened.append((reader, writer))
    answer = await relay.post("in", {})
    assert (answer.status, answer.json["reason"]) == (503, "overloaded")
    for reader, writer in opened:
        writer.write(b"{}")
        assert b" 202 " in await reader.readline()
        writer.close()
    await relay.accepted("in", {})


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "no header": lambda data: bytes(100) + data[100:],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "garbage in the first page": lambda data: data[:100] + b"\xa5" * 3996 + data[4096:],
    "garbage from the second page on": lambda data: data[:4096] + b"\xa5" * (len(data) - 4096),
    "text": lambda _: b"These are our minutes of Monday.\n" * 400,
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_damaged_file_is_told_and_nothing_is_overwritten(
    hooked: Site, start_process: StartProcess, target: Target, name: str
) -> None:
    """Exit code 1 with the path and a remedy; the file stays byte for byte what it was."""
    relay = await start_process(hooked)
    client = Observed(relay.public, relay.admin)
    for n in range(50):
        await client.accepted("in", {"n": n, "padding": "x" * 1000})
    await target.wait_for(50)
    await client.close()
    assert await relay.terminate() == 0
    path = hooked.var / "relay.db"
    damaged = DAMAGES[name](path.read_bytes())
    path.write_bytes(damaged)
    ran = await run("run", "--config", str(hooked.config), cwd=hooked.root)
    assert ran.code == 1
    assert "relay.db" in ran.err
    assert "Traceback" not in ran.err
    assert path.read_bytes() == damaged
