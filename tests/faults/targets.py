"""The targets of `relay sink --fault`, on loopback, each keeping the requests that it got."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from relay.sink.faults import Fault
from relay.sink.request import Heard
from relay.sink.server import serve
from tests.support.waiting import DEADLINE


class FaultyTarget:
    """A target with a fault. `requests` are what it got, `at` when, on the monotonic clock."""

    def __init__(self) -> None:
        self.requests: list[Heard] = []
        self.at: list[float] = []
        self.url = ""
        self._came = asyncio.Condition()
        self._told: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None] | None] = set()

    async def start(self, fault: Fault, context: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        self._server = await serve(fault, self._heard, "127.0.0.1", 0, context, self._connections)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    async def close(self) -> None:
        """Close it, with all connections."""
        assert self._server is not None
        self._server.close()
        open_still = [task for task in self._connections if task is not None]
        for task in open_still:
            task.cancel()
        if open_still:
            _, stuck = await asyncio.wait(open_still, timeout=DEADLINE)
            assert not stuck, stuck

    async def wait_for(self, count: int) -> list[Heard]:
        """Return all requests once there are at least `count`."""
        async with asyncio.timeout(DEADLINE), self._came:
            await self._came.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    @property
    def attempts(self) -> list[int]:
        """The attempts' numbers, in the order in which they came."""
        return [int(request.headers["relay-attempt"]) for request in self.requests]

    def _heard(self, request: Heard) -> None:
        self.requests.append(request)
        self.at.append(time.monotonic())
        task = asyncio.ensure_future(self._tell())
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()


StartFaulty = Callable[..., Awaitable[FaultyTarget]]


async def self_signed(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS with a certificate that only a client with its `cert.pem` trusts."""
    process = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
        "-days", "2",
        "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", "key.pem", "-out", "cert.pem", cwd=folder,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
