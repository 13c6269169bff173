"""A 2xx means synced: counted at the system call, from outside the relay."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.support.client import Answer, Client
from tests.support.process import StartProcess
from tests.support.site import Site
from tests.support.target import Target

SOURCE = Path(__file__).with_name("sync_counter.c")
EVENTS = 30


@pytest.fixture
def shim(tmp_path: Path) -> Path:
    """Return the compiled library that counts syncs."""
    library = tmp_path / "sync_counter.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


async def test_every_202_comes_after_a_sync_of_the_log(
    site: Site, start_process: StartProcess, shim: Path, tmp_path: Path
) -> None:
    """Between a request and its 202, the write-ahead log is synced at least once, each time."""
    log = tmp_path / "syncs"
    site.configure({"none": {"file": "../var/none.jsonl"}})
    # It owes nothing, so that no sync but that of its own commit can be counted.
    site.route("in", {"forward": [{"to": "none", "when": "false"}]})
    relay = await start_process(site, {"LD_PRELOAD": str(shim), "SYNC_LOG": str(log)})
    client = Client(relay.public, relay.admin)
    try:
        for n in range(EVENTS):
            before = log.stat().st_size if log.exists() else 0
            await client.accepted("in", {"n": n})
            assert log.stat().st_size > before, f"event {n} was answered 202 without a sync"
        syncs = log.stat().st_size
        for _ in range(EVENTS):
            assert (await client.request("POST", f"{relay.public}/in/nothing")).status == 404
        assert log.stat().st_size == syncs, "a sync was counted that no event asked for"
        await asyncio.gather(*(client.accepted("in", {"n": n}) for n in range(200)))
        assert syncs < log.stat().st_size < syncs + 200, "two hundred at once share their syncs"
    finally:
        await client.close()


async def test_failed_sync_ends_the_relay_and_is_never_answered_with_202(
    site: Site, start_process: StartProcess, shim: Path, tmp_path: Path, target: Target
) -> None:
    """Fault 5: after EIO nothing is acknowledged and no sync is tried again; the process ends with 1.

    Started again on a sound disk, it delivers all that was answered with 202.
    """
    fails = tmp_path / "fails"
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site, {"LD_PRELOAD": str(shim), "SYNC_FAILS": str(fails)})
    client = Client(relay.public, relay.admin)
    accepted = {await client.accepted("in", {"n": n}) for n in range(10)}
    await target.wait_for(10)
    fails.touch()
    answers = await asyncio.gather(*(client.post("in", {"n": n}) for n in range(20)), return_exceptions=True)
    statuses = {answer.status for answer in answers if isinstance(answer, Answer)}
    assert 202 not in statuses
    assert await relay.ended() == 1
    assert "store failed" in relay.log
    await client.close()
    fails.unlink()
    relay = await start_process(site)
    client = Client(relay.public, relay.admin)
    accepted.add(await client.accepted("in", {"n": 99}))
    for event_id in accepted:
        assert (await client.fate(event_id, "hook"))["state"] == "delivered"
    await client.close()
