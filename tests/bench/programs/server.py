"""A floor: a bare aiohttp server that reads the body and answers 202; uvloop, no access log."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def accept(request: web.Request) -> web.Response:
    """Read and forget."""
    await request.read()
    return web.Response(status=202)


async def main(port: int) -> None:
    """Serve until killed."""
    app = web.Application(client_max_size=16 << 20)
    app.router.add_post("/in/{route}", accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
