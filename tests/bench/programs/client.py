"""A floor: a bare aiohttp client on uvloop.

It posts to the target from so many tasks for so many seconds.
"""

import asyncio
import json
import signal
import sys
import time

import uvloop
from aiohttp import ClientSession, TCPConnector

HEADERS = {"content-type": "application/json"}


async def main(target: str, size: int, tasks: int, seconds: float) -> None:
    """Post, then print how many events in how many seconds."""
    body = b"x" * size
    count = 0
    begin, cpu = time.perf_counter(), time.process_time()

    async def post() -> None:
        nonlocal count
        while time.perf_counter() - begin < seconds:
            async with session.post(target, data=body, headers=HEADERS) as response:
                await response.read()
            count += 1

    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        await asyncio.gather(*(post() for _ in range(tasks)))
    spent = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}
    print(json.dumps({"events": count} | spent), flush=True)
    signal.pause()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
