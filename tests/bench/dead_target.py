"""Measures how a dead target with a backlog slows the deliveries to a healthy one, in one run.

    python -m tests.bench.dead_target [--rounds N] [--pending N] [--rate N] [--seconds N]

Alternates fresh relays: without a dead target, with one that refuses connections, with one that
never answers; each of the dead has a backlog that is retried all the while. Every relay gets the
same stream of events for a healthy target; the latency is from the post to the arrival. Exits 1 if
the median of the p99 with a dead target is 1.5 times that without, or more.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.target import refusing
from tests.support.client import Client
from tests.support.process import RelayProcess
from tests.support.site import Site
from tests.support.target import Target

BAR = 1.5
KINDS = ("none", "refuses", "hangs")


async def measure(kind: str, options: argparse.Namespace, down: str) -> float:
    """Return the p99 in seconds of the delivery latency to the healthy target."""
    healthy = Target()
    await healthy.start()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder) / "site")
        dead = {"url": down, "timeout": {"total": "2s"}, "retry": {"schedule": ["1s"] * 500}}
        site.configure({"up": {"url": healthy.url}, "down": dead | {"breaker": {"cool_off": "1s"}}})
        site.route("up", {"forward": [{"to": "up"}]})
        site.route("down", {"forward": [{"to": "down"}]})
        relay = await RelayProcess.start(site)
        client = Client(relay.public, relay.admin)
        try:
            if kind != "none":
                for _ in range(options.pending // 100):
                    await asyncio.gather(*(client.accepted("down", {}) for _ in range(100)))
                pending = await client.value("relay_pending_deliveries", target="down")
                assert pending == options.pending, f"{pending} pending"
            posted = await _stream(client, options.rate, options.seconds)
            arrived = {request.id: request.at for request in await healthy.wait_for(len(posted))}
        finally:
            await client.close()
            await relay.kill()
            await healthy.close()
    took = sorted(arrived[event_id] - at for event_id, at in posted.items())
    return took[int(len(took) * 0.99)]


async def _stream(client: Client, rate: int, seconds: float) -> dict[str, float]:
    """Post at a steady rate; return when each event was posted."""
    posted: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    async def one(n: int) -> None:
        at = time.monotonic()
        posted[await client.accepted("up", {"n": n})] = at

    begin = loop.time() + 0.1
    async with asyncio.TaskGroup() as posts:
        for n in range(int(rate * seconds)):
            await asyncio.sleep(begin + n / rate - loop.time())
            posts.create_task(one(n))
    return posted


async def main(options: argparse.Namespace) -> int:
    """Measure all kinds in turn, print them, return the exit code."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    hanging = Target()
    hanging.open.clear()
    await hanging.start()
    with refusing() as refused:
        urls = {"none": refused, "refuses": refused, "hangs": hanging.url}
        for _ in range(options.rounds):
            for kind in KINDS:
                found[kind].append(await measure(kind, options, urls[kind]))
            print(
                "p99 in ms  "
                + "  ".join(f"{kind} {p99[-1] * 1000:.1f}" for kind, p99 in found.items())
            )
    await hanging.close()
    medians = {kind: statistics.median(p99) for kind, p99 in found.items()}
    ratios = {kind: medians[kind] / medians["none"] for kind in KINDS[1:]}
    print(f"medians: {medians['none'] * 1000:.1f} ms without a dead target; times that: {ratios}")
    return int(max(ratios.values()) >= BAR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    sys.exit(asyncio.run(main(parser.parse_args())))
