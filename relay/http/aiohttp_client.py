"""The relay's uses of aiohttp's client that aiohttp does not document: all of them stand here.

An exchange without a ClientSession costs half of an attempt less, which
tests/integration/deliver/test_instructions.py holds. It takes its connections from
`TCPConnector.connect`, which is documented, and uses them by the names in `_NEEDED`. One of these
is private: `BaseProtocol._parser` is None until a connection expects its first answer.

`check` looks for each name when a relay starts, so that an aiohttp that renamed one stops the start
and not the deliveries. For the same reason pyproject.toml bounds aiohttp below its next minor
version.
"""

import inspect
from asyncio import Transport, get_running_loop
from collections.abc import Awaitable

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, StreamReader, TCPConnector
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from yarl import URL

from relay.errors import LibraryUnusable

# Each with the parameters that are given to it by name.
_NEEDED: tuple[tuple[type, str, frozenset[str]], ...] = (
    (TCPConnector, "connect", frozenset({"req", "traces", "timeout"})),
    # All that `connect` reads of a request to a URL without a proxy.
    (ClientRequest, "connection_key", frozenset()),
    (Connection, "protocol", frozenset()),
    (Connection, "transport", frozenset()),
    (Connection, "release", frozenset()),
    (Connection, "close", frozenset()),
    (ResponseHandler, "read", frozenset()),
    (ResponseHandler, "set_exception", frozenset()),
    (ResponseHandler, "set_response_params", frozenset({"read_until_eof", "auto_decompress"})),
    (ResponseHandler, "should_close", frozenset()),
    (BaseProtocol, "_parser", frozenset()),
    (RawResponseMessage, "code", frozenset()),
    (RawResponseMessage, "headers", frozenset()),
    (StreamReader, "is_eof", frozenset()),
    (StreamReader, "total_bytes", frozenset()),
)

Message = tuple[RawResponseMessage, StreamReader]


def check() -> None:
    """Raise LibraryUnusable if this aiohttp lacks a name that the relay needs."""
    missing = []
    for owner, name, parameters in _NEEDED:
        if not hasattr(owner, name):
            missing.append(f"{owner.__name__}.{name}")
        elif parameters:
            known = inspect.signature(getattr(owner, name)).parameters
            unknown = sorted(parameters - known.keys())
            missing += [f"{owner.__name__}.{name}({parameter}=)" for parameter in unknown]
    if missing:
        raise LibraryUnusable(
            f"aiohttp {aiohttp.__version__} has no {', '.join(missing)}; install the version that "
            "requirements.lock names, or adapt relay/http/aiohttp_client.py to this one"
        )


class Channel:
    """A connection for the time of one exchange."""

    __slots__ = ("_connection", "_protocol", "is_fresh", "transport")

    def __init__(self, connection: Connection, protocol: ResponseHandler) -> None:
        self._connection = connection
        self._protocol = protocol
        self.transport: Transport | None = protocol.transport
        # Whether no exchange was made on the connection before.
        self.is_fresh = protocol._parser is None  # noqa: SLF001 - see above

    def expect_answer(self) -> None:
        """Have the connection parse bytes that come; its parser serves later answers as well."""
        if self.is_fresh:  # a parser an answer costs a tenth more
            self._protocol.set_response_params(read_until_eof=True, auto_decompress=False)

    def answer(self) -> Awaitable[Message]:
        """Return the next answer's status, headers and body, the body as far as it has come.

        Raises what aiohttp or the system below it raises, or the error given to `fail`.
        """
        return self._protocol.read()

    def fail(self, error: Exception) -> None:
        """Raise an error where `answer` is awaited."""
        self._protocol.set_exception(error)

    def end(self, *, reusable: bool) -> None:
        """Give the connection back to the pool, or close it if it can't serve another exchange.

        It is closed at once: bytes still to be sent must not wait for a target that reads no more.
        """
        transport = self.transport
        if transport is not None:
            # aiohttp would close it politely: TLS waits half a minute for its peer to do the same.
            reusable = reusable and not self._protocol.should_close
            if reusable and not transport.get_write_buffer_size():
                self._connection.release()
                return
            transport.abort()
        self._connection.close()


class Channels:
    """Channels to one URL, from the pool of aiohttp's connector. `dial` and `total` are in seconds.

    `dial` bounds a dial, `total` the way to a connection as a whole, name and TLS included.
    """

    def __init__(self, url: URL, connector: TCPConnector, dial: float, total: float) -> None:
        self._connector = connector
        # To the connector a request is an address: this one stands for all.
        self._address = ClientRequest("POST", url, loop=get_running_loop())
        self._timeout = ClientTimeout(total=None, connect=total, sock_connect=dial)

    async def open(self, *, fresh: bool = False) -> Channel:
        """Return a channel on an idle connection, or on a new one; if `fresh`, on a new one.

        Raises whatever aiohttp or the system below it raises, TimeoutError among it.
        """
        while True:
            connection = await self._connector.connect(self._address, [], self._timeout)
            protocol = connection.protocol
            # aiohttp's pool keeps a connection on which bytes came that no request asked for.
            if protocol is not None and not protocol.should_close:
                channel = Channel(connection, protocol)
                if channel.is_fresh or not fresh:
                    return channel
            connection.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._connector.close()
