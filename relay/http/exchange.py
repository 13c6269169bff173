"""One HTTP/1.1 exchange with a target: a request, and the answer up to a cap.

Names, dials, TLS, parsing and the pool are aiohttp's, by way of aiohttp_client.py. Its session is
left out: a delivery may have no cookies, redirects, middlewares, tracing and compression, and they
cost half of an attempt (tests/integration/deliver/test_instructions.py).
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import StreamReader, TCPConnector
from aiohttp.client_exceptions import ClientError, ClientOSError, ServerDisconnectedError
from aiohttp.http import HttpProcessingError
from yarl import URL

from relay.errors import RelayError
from relay.http.aiohttp_client import Channel, Channels

# Bytes of a response that are read, so that its connection can be used again, and seconds for them.
_BODY_CAP = 64 * 1024
_BODY_PATIENCE = 2.0
# Bytes of a request's body that are worth a copy, so that it goes out in one packet with its head.
_COPIED = 64 * 1024
# Methods that need no content-length without a body (RFC 9110 §8.6).
_BODYLESS = frozenset({"GET", "DELETE"})
_SWITCHING = 101
# A connection that ended, by aiohttp's words; a time that is over is none of them.
_GONE = (ServerDisconnectedError, ClientOSError, ConnectionResetError)


class Unanswered(RelayError):
    """A connection that the target closed before it answered; `cause` is aiohttp's error."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Reply(NamedTuple):
    """A target's answer; its body is cut at the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchanges:
    """Makes exchanges with one URL.

    `connect`, `total` and `patience` are in seconds: of a dial, of an exchange up to the answer's
    status, and of the answer's body. `standing` are headers of every request that has no others of
    that name.
    """

    def __init__(
        self,
        url: URL,
        connector: TCPConnector,
        connect: float,
        total: float,
        standing: Mapping[str, str],
        patience: float = _BODY_PATIENCE,
    ) -> None:
        self._channels = Channels(url, connector, connect, total)
        self._total = total
        self._patience = min(patience, total)
        self._loop = asyncio.get_running_loop()
        self._target = f"{url.raw_path_qs} HTTP/1.1\r\nhost: {url.host_port_subcomponent}\r\n"
        self._standing = dict(standing)
        self._standing_text = _lines(standing)

    async def make(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request, and read the answer's body up to a cap.

        It is sent a second time, on a fresh connection, if an idle one was closed before any
        answer. `headers` are names and values that were checked to be such. Raises whatever aiohttp
        or the system below it raises, and TimeoutError once the time is over.
        """
        head = self._head(method, headers, len(body))
        ends = self._loop.time() + self._total
        channel = await self._channels.open()
        try:
            return await self._exchange(channel, head, body, ends)
        except Unanswered as error:
            if channel.is_fresh:
                raise error.cause from None
        # The target gave an idle connection up as the request was on its way: nothing was answered.
        async with asyncio.timeout_at(ends):
            channel = await self._channels.open(fresh=True)
        try:
            return await self._exchange(channel, head, body, ends)
        except Unanswered as error:
            raise error.cause from None

    async def _exchange(self, channel: Channel, head: bytes, body: bytes, ends: float) -> Reply:
        """Make the exchange, until `ends` by the loop's clock.

        Raises Unanswered if the connection ended before any answer.
        """
        # asyncio.timeout would cost twenty thousand instructions more, a thirtieth of an event.
        alarm = self._loop.call_at(ends, _expire, channel)
        reusable = False
        try:
            try:
                _send(channel, head, body)
                message, payload = await channel.answer()
            except _GONE as error:
                raise Unanswered(error) from error
            while 100 <= message.code < 200 and message.code != _SWITCHING:
                message, payload = await channel.answer()
            # The status decides: nothing that happens to the body changes it.
            content, reusable = await _read(payload, self._patience)
        finally:
            alarm.cancel()
            channel.end(reusable=reusable)
        return Reply(message.code, message.headers, content)

    async def close(self) -> None:
        """Close all connections."""
        await self._channels.close()

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


def _lines(headers: Mapping[str, str]) -> str:
    return "\r\n".join([*map(": ".join, headers.items()), ""])


def _expire(channel: Channel) -> None:
    channel.fail(TimeoutError("the time for the whole exchange is over"))


def _send(channel: Channel, head: bytes, body: bytes) -> None:
    if channel.transport is None:
        raise ConnectionResetError("the connection was closed before the request was sent")
    channel.expect_answer()
    if len(body) <= _COPIED:
        channel.transport.write(head + body)
    else:
        channel.transport.write(head)
        channel.transport.write(body)


async def _read(payload: StreamReader, patience: float) -> tuple[bytes, bool]:
    """Return the body up to the cap, and whether it is whole; wait `patience` seconds at most."""
    if payload.is_eof() and not payload.total_bytes:
        return b"", True
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
