"""One HTTP/1.1 exchange on a connection of aiohttp's pool: what an attempt needs of a client, and no more.

Names, dials, TLS, pooling and parsing are aiohttp's. Its session is left out: cookies, redirects, middlewares,
tracing and compression are nothing that a delivery may have, and cost more than all else of an attempt.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Reply:
    """A target's answer; of its body, what was read up to the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchanges:
    """Makes exchanges with one URL. `connect` and `total` are in seconds: of a dial, and of an exchange as a whole."""

    def __init__(self, url: URL, connector: TCPConnector, connect: float, total: float) -> None:
        self._connector = connector
        self._total = total
        self._loop = asyncio.get_running_loop()
        # To the pool a request is an address: this one stands for all.
        self._address = ClientRequest("POST", url, loop=self._loop)
        self._timeout = ClientTimeout(total=None, connect=total, sock_connect=connect)
        self._target = f"{url.raw_path_qs} HTTP/1.1\r\nhost: {url.host_port_subcomponent}\r\n"

    async def make(self, method: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one request, once, and read the answer's body up to a cap.

        Raises whatever aiohttp or the system below it raises, and TimeoutError once the time is over.
        `headers` are names and values that were checked to be such.
        """
        head = self._head(method, headers, len(body))
        ends = self._loop.time() + self._total
        connection = await self._connect()
        # Not asyncio.timeout: it costs as much as all the rest here.
        timer = self._loop.call_at(ends, _expire, connection)
        try:
            return await _exchange(connection, head, body, min(_BODY_PATIENCE, self._total))
        except BaseException:
            _end(connection)
            raise
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Close all connections."""
        await self._connector.close()

    def _head(self, method: str, headers: Mapping[str, str], size: int) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        if size or method not in _BODYLESS:
            lines.append(f"content-length: {size}\r\n")
        text = f"{method} {self._target}{''.join(lines)}\r\n"
        if text.count("\n") != len(lines) + 3 or "\0" in text:
            raise ValueError("a header holds a line feed or NUL")
        return text.encode("utf-8", "surrogateescape")

    async def _connect(self) -> Connection:
        """Return a connection on which nothing came that nobody asked for."""
        while True:
            connection = await self._connector.connect(self._address, [], self._timeout)
            protocol = connection.protocol
            assert protocol is not None
            if not protocol.should_close:
                return connection
            connection.close()


def _expire(connection: Connection) -> None:
    """Tell who waits for an answer that the time is over."""
    if connection.protocol is not None:
        connection.protocol.set_exception(TimeoutError("the time for the whole exchange is over"))


async def _exchange(connection: Connection, head: bytes, body: bytes, patience: float) -> Reply:
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
        (b"", True) if payload.is_eof() and not payload.total_bytes else await _read(payload, patience)
    )
    if whole and not transport.get_write_buffer_size():
        connection.release()
    else:
        _end(connection)
    return Reply(message.code, message.headers, told)


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
