"""The system of one place: a server on loopback that keeps its requests.

It can go down, and comes back on its port.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from tests.support.waiting import DEADLINE, until


@dataclass(frozen=True, slots=True)
class Got:
    """One request that was taken: the system of the place that it is for, its event, its form."""

    path: str
    event: str
    headers: Mapping[str, str]
    body: bytes


class PlaceServer:
    """Answers 204 to everything while it is up; while it is down, nobody listens on its port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.got: list[Got] = []
        self.port = 0
        self._runner: web.ServerRunner | None = None

    async def up(self) -> None:
        """Listen: on a free port at first, on the same one ever after."""
        self._runner = web.ServerRunner(web.Server(self._take, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Close the port and all connections."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def url(self, path: str) -> str:
        """Return the URL of one of its systems."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def took(self, path: str) -> list[Got]:
        """Return what one of its systems got."""
        return [one for one in self.got if one.path == f"/{path}"]

    async def wait_for(self, path: str, count: int) -> list[Got]:
        """Return what one of its systems got once that is `count` requests."""

        async def enough() -> bool:
            return len(self.took(path)) >= count

        await until(enough, f"{count} requests for {self.name}/{path}", DEADLINE)
        return self.took(path)

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.path, headers["webhook-id"], headers, body))
        return web.Response(status=204)


async def start_all(names: list[str]) -> dict[str, PlaceServer]:
    """Start a server for each place."""
    servers = {name: PlaceServer(name) for name in names}
    await asyncio.gather(*(server.up() for server in servers.values()))
    return servers
