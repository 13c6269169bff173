"""A real target on loopback: keeps what it gets, and answers as it is told."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.waiting import DEADLINE


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came: header names in lower case, `port` the peer's.

    `at` is when it came, in seconds of the monotonic clock.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int
    at: float

    @property
    def id(self) -> str:
        """The event's id."""
        return self.headers["webhook-id"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the target."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Target:
    """Answers from `script` in turn, then with `otherwise`.

    While `open` is not set, requests that it `holds` get no answer.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.script: deque[Reply] = deque()
        self.otherwise = Reply()
        self.open = asyncio.Event()
        self.open.set()
        self.holds: Callable[[Received], bool] = lambda _: True
        self.url = ""
        self._came = asyncio.Condition()
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, auto_decompress=False)
        )

    async def start(self) -> None:
        """Listen on a free port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def close(self) -> None:
        """Let everyone go, and close."""
        self.open.set()
        await self._runner.cleanup()

    async def wait_for(self, count: int, deadline: float = DEADLINE) -> list[Received]:
        """Return all requests once there are at least `count`."""
        try:
            async with asyncio.timeout(deadline), self._came:
                await self._came.wait_for(lambda: len(self.requests) >= count)
        except TimeoutError:
            raise AssertionError(
                f"the target got {len(self.requests)} of {count} requests in {deadline:.0f} s"
            ) from None
        return self.requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        assert request.transport is not None
        received = Received(
            method=request.method,
            path=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            port=request.transport.get_extra_info("peername")[1],
            at=time.monotonic(),
        )
        reply = self.script.popleft() if self.script else self.otherwise
        async with self._came:
            self.requests.append(received)
            self._came.notify_all()
        if self.holds(received):
            await self.open.wait()
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


StartTarget = Callable[[], Awaitable[Target]]
