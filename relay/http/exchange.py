"""One HTTP/1.1 exchange on a connection that aiohttp dials and parses: what an attempt needs of a client, and no more.

Names, dials, TLS and parsing are aiohttp's. Its session is left out: cookies, redirects, middlewares, tracing and
compression are nothing that a delivery may have, and cost more than all else of an attempt. So is its pool, which is
for many hosts: here is one, and whoever calls bounds how many exchanges there are at a time.
"""

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_exceptions import ClientError
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

_BODY_CAP = 64 * 1024  # bytes of a response that are read, so that its connection can be used again
_BODY_PATIENCE = 2.0  # seconds for it
_BODYLESS = frozenset({"GET", "DELETE"})  # methods that need no content-length without a body
_SWITCHING = 101
_IDLE = 15.0  # seconds that an unused connection is kept


class Reply(NamedTuple):
    """A target's answer; of its body, what was read up to the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchanges:
    """Makes exchanges with one URL. `connect` and `total` are in seconds: of a dial, and of an exchange as a whole.

    `standing` are headers of every request that has no others of that name.
    """

    def __init__(
        self,
        url: URL,
        connector: TCPConnector,
        connect: float,
        total: float,
        standing: Mapping[str, str],
    ) -> None:
        self._connector = connector
        self._total = total
        self._loop = asyncio.get_running_loop()
        # To the connector a request is an address: this one stands for all.
        self._address = ClientRequest("POST", url, loop=self._loop)
        self._timeout = ClientTimeout(total=None, connect=total, sock_connect=connect)
        self._target = f"{url.raw_path_qs} HTTP/1.1\r\nhost: {url.host_port_subcomponent}\r\n"
        self._standing = dict(standing)
        self._standing_text = _lines(standing)
        self._idle: deque[tuple[Connection, float]] = (
            deque()
        )  # with the time since when; the latest at the right
        self._sweep: asyncio.TimerHandle | None = None
        # One alarm for all exchanges that are under way: nearly none of them needs it.
        self._ends: dict[Connection, float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    async def make(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request, once, and read the answer's body up to a cap.

        Raises whatever aiohttp or the system below it raises, and TimeoutError once the time is over.
        `headers` are names and values that were checked to be such.
        """
        head = self._head(method, headers, len(body))
        ends = self._loop.time() + self._total
        connection = self._waiting() or await self._connector.connect(
            self._address, [], self._timeout
        )
        self._ends[connection] = ends
        if ends < self._rings_at:
            self._ring(ends)
        try:
            reply, reusable = await _exchange(
                connection, head, body, min(_BODY_PATIENCE, self._total)
            )
        except BaseException:
            _end(connection)
            raise
        finally:
            del self._ends[connection]
        if reusable:
            self._rest(connection)
        else:
            _end(connection)
        return reply

    async def close(self) -> None:
        """Close all connections."""
        for timer in (self._sweep, self._alarm):
            if timer is not None:
                timer.cancel()
        while self._idle:
            self._idle.pop()[0].close()
        await self._connector.close()

    def _head(self, method: str, headers: Mapping[str, str], size: int) -> bytes:
        standing = self._standing_text
        if not self._standing.keys().isdisjoint(headers):
            standing = _lines({n: v for n, v in self._standing.items() if n not in headers})
        length = f"content-length: {size}\r\n" if size or method not in _BODYLESS else ""
        lines = _lines(headers)
        if lines.count("\n") != len(headers) or "\0" in lines:
            raise ValueError("a header holds a line feed or NUL")
        text = f"{method} {self._target}{standing}{lines}{length}\r\n"
        return text.encode("utf-8", "surrogateescape")

    def _waiting(self) -> Connection | None:
        """Return the idle connection that was used last, if it is open and nothing came that nobody asked for."""
        while self._idle:
            connection, _ = self._idle.pop()
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            connection.close()
        return None

    def _rest(self, connection: Connection) -> None:
        """Keep a connection for the next exchange, for some seconds."""
        self._idle.append((connection, self._loop.time()))
        if self._sweep is None:
            self._sweep = self._loop.call_later(_IDLE, self._close_idle)

    def _close_idle(self) -> None:
        """Close the connections that were not used for long."""
        self._sweep = None
        until = self._loop.time() - _IDLE
        while self._idle and self._idle[0][1] <= until:
            self._idle.popleft()[0].close()
        if self._idle:
            self._sweep = self._loop.call_at(self._idle[0][1] + _IDLE, self._close_idle)

    def _ring(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings_at = at
        self._alarm = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        """Tell those whose time is over, who wait for an answer."""
        self._alarm, self._rings_at = None, math.inf
        now = self._loop.time()
        for connection, ends in self._ends.items():
            if ends > now:
                self._rings_at = min(self._rings_at, ends)
            elif connection.protocol is not None:
                connection.protocol.set_exception(
                    TimeoutError("the time for the whole exchange is over")
                )
        if self._rings_at < math.inf:
            self._ring(self._rings_at)


async def _exchange(
    connection: Connection, head: bytes, body: bytes, patience: float
) -> tuple[Reply, bool]:
    """Return the answer, and whether its connection may serve another exchange."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise ConnectionResetError("the connection was closed before the request was sent")
    _expect_answer(protocol)
    if len(body) <= _BODY_CAP:
        transport.write(head + body)
    else:
        transport.write(head)
        transport.write(body)
    message, payload = await protocol.read()
    while 100 <= message.code < 200 and message.code != _SWITCHING:
        message, payload = await protocol.read()
    told, whole = (
        (b"", True)
        if payload.is_eof() and not payload.total_bytes
        else await _read(payload, patience)
    )
    reusable = whole and not transport.get_write_buffer_size() and not protocol.should_close
    return Reply(message.code, message.headers, told), reusable


def _lines(headers: Mapping[str, str]) -> str:
    return "\r\n".join([*map(": ".join, headers.items()), ""])


def _end(connection: Connection) -> None:
    """Close a connection at once: what is still to be sent must not wait for a target that reads no more."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def _expect_answer(protocol: ResponseHandler) -> None:
    """Have the connection parse what comes. A parser goes on with the next answer after one that is whole."""
    if protocol._parser is None:  # noqa: SLF001 - to make one for each answer costs a tenth of an exchange
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)


async def _read(payload: StreamReader, patience: float) -> tuple[bytes, bool]:
    """Return the body up to a cap, waited for `patience` seconds at most, and whether that is all of it.

    The status has decided already: a body that is long, slow or breaks off changes nothing.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(None if payload.is_eof() else patience):
            while size <= _BODY_CAP:
                part = await payload.readany()
                if not part:
                    return b"".join(parts), True
                parts.append(part)
                size += len(part)
    except (ClientError, HttpProcessingError, OSError, TimeoutError):
        pass
    return b"".join(parts), False
