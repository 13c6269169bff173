"""The floor to compare with: a stateless aiohttp forwarder that keeps no promise at all.

A handler that reads the body, awaits one pooled client POST to the target, and answers; uvloop, no
access log.
"""

import asyncio
import sys

import uvloop
from aiohttp import ClientSession, TCPConnector, web

PASSED_ON = ("content-type", "x-sent")


async def main(port: int, target: str) -> None:
    """Serve until killed."""
    session = ClientSession(connector=TCPConnector(limit=0))

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        async with session.post(target, data=body, headers=headers) as response:
            await response.read()
            return web.Response(status=response.status)

    app = web.Application(client_max_size=16 << 20)
    app.router.add_post("/in/{route}", forward)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
