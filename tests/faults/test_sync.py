"""A 2xx means synced: counted at the system call, and shown by cutting the power."""

import asyncio
import shutil

import pytest

from tests.faults.shim import Disk
from tests.support.client import Answer, Client
from tests.support.process import StartProcess
from tests.support.site import Site
from tests.support.target import Target

EVENTS = 30


@pytest.mark.fault(3)
async def test_every_202_comes_after_a_sync_of_the_log(
    site: Site, start_process: StartProcess, disk: Disk
) -> None:
    """Between a request and its 202, the write-ahead log is synced at least once, each time."""
    site.configure({"none": {"file": "../var/none.jsonl"}})
    # It owes nothing, so that no sync but that of its own commit can be counted.
    site.route("in", {"forward": [{"to": "none", "when": "false"}]})
    relay = await start_process(site, disk.counting)
    client = Client(relay.public, relay.admin)
    try:
        for n in range(EVENTS):
            before = disk.syncs
            await client.accepted("in", {"n": n})
            assert disk.syncs > before, f"event {n} was answered 202 without a sync"
        syncs = disk.syncs
        for _ in range(EVENTS):
            assert (await client.request("POST", f"{relay.public}/in/nothing")).status == 404
        assert disk.syncs == syncs, "a sync was counted that no event asked for"
        await asyncio.gather(*(client.accepted("in", {"n": n}) for n in range(200)))
        assert syncs < disk.syncs < syncs + 200, "two hundred at once share their syncs"
    finally:
        await client.close()


async def test_an_event_and_its_delivery_cost_two_syncs(
    site: Site, start_process: StartProcess, disk: Disk, target: Target
) -> None:
    """One before the 202, one for the outcome, even if no other event comes to share them."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site, disk.counting)
    client = Client(relay.public, relay.admin)
    before = 0
    try:
        for n in range(EVENTS + 1):
            if n == 1:  # before the first one, the lane has asked the store what waits there
                before = disk.syncs
            await client.accepted("in", {"n": n})
            await client.until_value(0, "relay_pending_deliveries", target="hook")
        assert before < disk.syncs <= before + 2 * EVENTS
    finally:
        await client.close()


@pytest.mark.fault(3)
async def test_power_cut_loses_nothing_that_was_accepted(
    site: Site, start_process: StartProcess, disk: Disk, target: Target
) -> None:
    """With each write dropped that was not synced, every 202 is in the store, and delivered."""
    target.open.clear()
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site, disk.shadowing)
    client = Client(relay.public, relay.admin)
    accepted: set[str] = set()

    async def post(n: int) -> None:
        accepted.add(await client.accepted("in", {"n": n, "padding": "x" * 2000}))

    for start in range(
        0, 3000, 100
    ):  # enough that the log is written back and begun anew meanwhile
        await asyncio.gather(*(post(start + n) for n in range(100)))
    await client.close()
    await relay.kill()
    for name in ("relay.db", "relay.db-wal"):
        shutil.copy(disk.shadow / name, site.var / name)
    (site.var / "relay.db-shm").unlink(missing_ok=True)
    target.requests.clear()
    target.open.set()
    await start_process(site)
    await target.wait_for(len(accepted))
    assert accepted <= {request.id for request in target.requests}


@pytest.mark.fault(5)
@pytest.mark.parametrize("fault", ["sync EIO", "write EIO"])
async def test_failed_disk_ends_the_relay_and_is_never_answered_with_202(
    site: Site, start_process: StartProcess, disk: Disk, target: Target, fault: str
) -> None:
    """After EIO nothing is acknowledged and no sync is tried again; the process ends with 1.

    Started again on a sound disk, it delivers all that was answered with 202.
    """
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site, disk.counting)
    client = Client(relay.public, relay.admin)
    accepted = {await client.accepted("in", {"n": n}) for n in range(10)}
    await target.wait_for(10)
    await client.until_value(0, "relay_pending_deliveries", target="hook")
    syncs = disk.syncs
    disk.fail(fault)
    answers = await asyncio.gather(
        *(client.post("in", {"n": n}) for n in range(20)), return_exceptions=True
    )
    statuses = {answer.status for answer in answers if isinstance(answer, Answer)}
    assert 202 not in statuses
    assert await relay.ended() == 1
    assert "store failed" in relay.log
    assert disk.syncs == syncs
    await client.close()
    disk.mend()
    relay = await start_process(site)
    client = Client(relay.public, relay.admin)
    accepted.add(await client.accepted("in", {"n": 99}))
    for event_id in accepted:
        assert (await client.fate(event_id, "hook"))["state"] == "delivered"
    await client.close()
