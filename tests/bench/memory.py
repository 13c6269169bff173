"""How soon a relay starts, and how much memory each route, lane and pending delivery takes.

The memory is a difference between processes.

    python -m tests.bench.memory

Each figure is the median of a few relays. A lane at work has delivered once, so that it has a
connection. It fails if 1,000 routes with 1,000 targets at work, scraped, take 150 MiB or more.
"""

import asyncio
import contextlib
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.bench.million import memory
from tests.support.client import Client
from tests.support.process import RelayProcess
from tests.support.site import REPOSITORY, Site
from tests.support.target import Target

ROUNDS = 5
MANY = 1000  # routes, and targets
PENDING = 5000  # deliveries; a lane keeps twice as many in memory
BODY = b'{"text": "' + b"x" * 1012 + b'"}'  # 1 KiB
TOGETHER = 50  # requests
MOST = 150.0  # MiB
KIB = 1024


@contextlib.asynccontextmanager
async def running(site: Site) -> AsyncIterator[tuple[RelayProcess, Client]]:
    """Run a relay on a site."""
    relay = await RelayProcess.start(site)
    client = Client(relay.public, relay.admin)
    try:
        yield relay, client
        await relay.terminate()
    finally:
        await client.close()
        await relay.kill()


async def shipped(folder: Path) -> dict[str, float]:
    """Start the configuration as it is shipped, and have one answer."""
    site = Site(folder / "site")
    shutil.copytree(REPOSITORY / "routes", site.routes, dirs_exist_ok=True)
    config = (REPOSITORY / "config/relay.yaml").read_text()
    site.config.write_text(re.sub(r"127\.0\.0\.1:808\d", "127.0.0.1:0", config))
    async with running(site):  # makes the secrets
        pass
    began = time.monotonic()
    async with running(site) as (relay, client):
        await client.post("hello", {})
        took = time.monotonic() - began
        return {
            "start in ms": took * 1000,
            "shipped configuration in MiB": memory(relay.pid, "VmHWM"),
        }


async def many(folder: Path, routes: int, targets: int) -> tuple[float, float, float]:
    """Return a relay's memory in MiB: at start, after an event for each route, and at the highest.

    The highest is measured after a scrape.
    """
    site, target = Site(folder / "site"), Target()
    await target.start()
    site.configure({f"t{n}": {"url": target.url} for n in range(targets)})
    for n in range(routes):
        site.route(f"r{n}", {"forward": [{"to": f"t{n % targets}"}]})
    try:
        async with running(site) as (relay, client):
            started = memory(relay.pid, "VmRSS")
            for n in range(0, routes, TOGETHER):
                names = [f"r{one}" for one in range(n, min(n + TOGETHER, routes))]
                await asyncio.gather(*(client.accepted(name, BODY) for name in names))
            await target.wait_for(routes)
            worked = memory(relay.pid, "VmRSS")
            await client.series()
            return started, worked, memory(relay.pid, "VmHWM")
    finally:
        await target.close()


async def pending(folder: Path) -> dict[str, float]:
    """Let deliveries wait for a target that is paused: in memory, with their events on the disk."""
    site = Site(folder / "site")
    site.configure({"paused": {"url": "http://127.0.0.1:9/"}})
    site.route("in", {"forward": [{"to": "paused"}]})
    async with running(site) as (relay, client):
        await client.request("POST", f"{client.admin}/api/targets/paused/pause")
        sizes: list[tuple[float, float]] = []
        # The second round finds the memory there that the first one needs besides, such as room
        # for requests.
        for _ in range(2):
            for _ in range(0, PENDING - TOGETHER, TOGETHER):
                await asyncio.gather(*(client.accepted("in", BODY) for _ in range(TOGETHER)))
            files = sum(file.stat().st_size for file in site.var.glob("relay.db*"))
            sizes.append((memory(relay.pid, "VmRSS") * KIB, files / KIB))
        (before, on_disk), (after, later) = sizes
        added = PENDING - TOGETHER
        return {
            "pending delivery of 1 KiB, memory in KiB": (after - before) / added,
            "pending delivery of 1 KiB, disk in KiB": (later - on_disk) / added,
        }


async def figures() -> dict[str, float]:
    """Measure once."""

    async def fresh(measure: Callable[[Path], Awaitable[dict[str, float]]]) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            return await measure(Path(folder))

    async def sized(routes: int, targets: int) -> tuple[float, float, float]:
        with tempfile.TemporaryDirectory() as folder:
            return await many(Path(folder), routes, targets)

    found = await fresh(shipped) | await fresh(pending)
    one, routes, lanes, both = (
        await sized(1, 1),
        await sized(MANY, 1),
        await sized(1, MANY),
        await sized(MANY, MANY),
    )
    return found | {
        "one route, one target in MiB": one[0],
        "route in KiB": (routes[0] - one[0]) / (MANY - 1) * KIB,
        "lane at rest in KiB": (lanes[0] - one[0]) / (MANY - 1) * KIB,
        "lane at work, more than that, in KiB": ((both[1] - both[0]) - (routes[1] - routes[0]))
        / MANY
        * KIB,
        "1,000 routes and targets in MiB": both[0],
        "the same at work, at their highest while scraped, in MiB": both[2],
    }


async def main() -> int:
    """Measure, print; return the exit code."""
    rounds = [await figures() for _ in range(ROUNDS)]
    for name in rounds[0]:
        values = sorted(one[name] for one in rounds)
        print(f"{name:58} {statistics.median(values):8.1f}   ({values[0]:.1f} to {values[-1]:.1f})")
    highest = max(one["the same at work, at their highest while scraped, in MiB"] for one in rounds)
    return int(highest >= MOST)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
