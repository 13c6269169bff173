"""A start on a million pending deliveries: its time, its memory, the first fresh delivery.

    python -m tests.bench.million [COUNT]

Fills a store with COUNT events for a target that is down, through the store's own `append`, then
starts the relay on it as a process, posts fresh events to a target that is up, and more to the one
that is down. Exits 1 if the start takes 10 s or more, the memory is 200 MiB or more, or a fresh
event waits a second.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from relay.event import Owed
from tests.bench.fill import fill
from tests.support.client import Client
from tests.support.process import RelayProcess
from tests.support.site import Site
from tests.support.target import Target

BODY = json.dumps({"title": "Cooperation record", "text": "x" * 250}).encode()
START, MEMORY, FRESH = 10.0, 200.0, 1.0  # seconds, MiB, seconds


def memory(pid: int, what: str) -> float:
    """Return a process's resident memory in MiB: `VmRSS` now, `VmHWM` at its highest."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


async def fresh(client: Client, target: Target) -> float:
    """Post one event to the target that is up, and return the seconds until it has it."""
    came = len(target.requests)
    began = time.monotonic()
    await client.accepted("up", {"n": came})
    return (await target.wait_for(came + 1))[came].at - began


async def main(count: int) -> int:
    """Fill, start, measure, print; return the exit code."""
    target = Target()
    await target.start()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder) / "site")
        site.configure({"up": {"url": target.url}, "down": {"url": "http://127.0.0.1:9/"}})
        site.route("up", {"forward": [{"to": "up"}]})
        site.route("down", {"forward": [{"to": "down"}]})
        began = time.monotonic()
        await fill(site.var / "relay.db", count, "down", (Owed("down", "down"),), BODY)
        print(f"filled     {count} pending deliveries in {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        relay = await RelayProcess.start(site)
        started = time.monotonic() - began
        client = Client(relay.public, relay.admin)
        try:
            at_start = memory(relay.pid, "VmRSS")
            first = await fresh(client, target)
            took = [await fresh(client, target) for _ in range(200)]
            scrape = time.monotonic()
            pending = await client.value("relay_pending_deliveries", target="down")
            scrape = time.monotonic() - scrape
            for _ in range(20):
                await asyncio.gather(
                    *(client.accepted("down", {"text": "x" * 250}) for _ in range(500))
                )
            later = [await fresh(client, target) for _ in range(200)]
            peak = memory(relay.pid, "VmHWM")
            stop = time.monotonic()
            code = await relay.terminate()
            stop = time.monotonic() - stop
        finally:
            await client.close()
            await relay.kill()
            await target.close()
    print(f"start      {started:.2f} s until it listens; stop {stop:.2f} s with exit code {code}")
    print(f"memory     {at_start:.0f} MiB after the start, {peak:.0f} MiB at its highest")
    print(f"fresh      the first {first * 1000:.1f} ms after its post; of 200 more: {_told(took)}")
    print(f"           with 10,000 more for the target that is down: {_told(later)}")
    print(f"scrape     {scrape:.2f} s, {pending:.0f} pending")
    return int(started >= START or peak >= MEMORY or max(first, *took, *later) >= FRESH)


def _told(seconds: list[float]) -> str:
    return (
        f"median {statistics.median(seconds) * 1000:.1f} ms, highest {max(seconds) * 1000:.1f} ms"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=1_000_000)
    sys.exit(asyncio.run(main(parser.parse_args().count)))
