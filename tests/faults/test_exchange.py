"""The bytes of one exchange on the wire, and when its connection may serve the next."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from yarl import URL

from relay.http.exchange import Exchanges
from relay.sink.faults import Hang, Status, TrickleBody
from relay.sink.request import Heard
from tests.faults.targets import FaultyTarget, StartFaulty, self_signed
from tests.support.waiting import DEADLINE, until

STANDING = {"user-agent": "relay/test", "accept": "*/*"}
Connect = Callable[..., Exchanges]


class Interim:
    """Answers 200 to each request, after `interim` answers."""

    def __init__(self, interim: bytes = b"") -> None:
        self._interim = interim

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer."""
        writer.write(self._interim)
        return await Status().answer(heard, writer)


class Closes:
    """Answers, but closes the connection with its request number `at`, without an answer."""

    def __init__(self, at: int) -> None:
        self._at = at

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer, or close."""
        return heard.number != self._at and await Status().answer(heard, writer)


class LastAnswer:
    """Answers that no other request may follow; then it neither reads nor closes."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer, and hold the connection."""
        cast("asyncio.Transport", writer.transport).pause_reading()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()
        return False


class NotingConnector(aiohttp.TCPConnector):
    """Notes the sockets of its connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sockets: list[Any] = []

    async def connect(self, *args: Any) -> Connection:
        """Connect, and note the socket."""
        connection = await super().connect(*args)
        assert connection.transport is not None
        self.sockets.append(connection.transport.get_extra_info("socket"))
        return connection


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a function that makes exchanges with a URL; they are closed after the test.

    There are `limit` connections at most; `total` and `patience` are in seconds.
    """
    opened: list[Exchanges] = []

    def connect(
        url: str, total: float = DEADLINE, limit: int = 1, patience: float = DEADLINE
    ) -> Exchanges:
        connector = aiohttp.TCPConnector(limit=limit)
        opened.append(Exchanges(URL(url), connector, 5.0, total, STANDING, patience))
        return opened[-1]

    yield connect
    for exchanges in opened:
        await exchanges.close()


async def test_request_is_what_was_given_and_nothing_else(
    start_faulty: StartFaulty, connect: Connect
) -> None:
    """The path with its query, the host with its port, the headers, with the standing ones.

    Bytes beyond ASCII go as they came.
    """
    target = await start_faulty(Status())
    name = "H\udce0 N\udcf4i, Huế"
    await connect(f"{target.url}?a=b%20c").make(
        "PUT", {"x-a": "1", "x-name": name, "accept": "text/*"}, b"body"
    )
    (heard,) = target.requests
    assert (heard.method, heard.path, heard.body) == ("PUT", "/hook?a=b%20c", b"body")
    sent = {name: value.encode("latin-1") for name, value in heard.headers.items()}
    assert sent == {
        "host": target.url.removeprefix("http://").removesuffix("/hook").encode(),
        "user-agent": b"relay/test",
        "accept": b"text/*",
        "x-a": b"1",
        "x-name": b"H\xe0 N\xf4i, Hu\xe1\xba\xbf",
        "content-length": b"4",
    }


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "header", [{"x": "a\r\nhost: b"}, {"x": "a\nb"}, {"x": "a\0b"}, {"x\ny": "a"}]
)
async def test_header_that_would_be_two_is_not_sent(
    start_faulty: StartFaulty, connect: Connect, header: dict[str, str]
) -> None:
    """Whoever let it through: a line feed or NUL in a header raises before anything is sent."""
    target = await start_faulty(Status())
    with pytest.raises(ValueError, match="line feed or NUL"):
        await connect(target.url).make("POST", header, b"")
    assert target.requests == []


async def test_whole_answers_leave_the_connection_to_the_next(
    start_faulty: StartFaulty, connect: Connect
) -> None:
    """One connection serves bodies of any size; interim answers (1xx) count for nothing."""
    interim = Interim(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    )
    target = await start_faulty(interim)
    exchanges = connect(target.url)
    for size in (0, 1, 100_000, 2):
        assert (await exchanges.make("POST", {}, bytes(size))).status == 200
    assert {request.connection for request in target.requests} == {1}
    assert [len(request.body) for request in target.requests] == [0, 1, 100_000, 2]


@pytest.mark.fault(9)
async def test_time_covers_the_whole_exchange(start_faulty: StartFaulty, connect: Connect) -> None:
    """No answer in the time is a TimeoutError, and the slot is free for the next."""
    target: FaultyTarget = await start_faulty(Hang())
    exchanges = connect(target.url, total=0.05)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await exchanges.make("POST", {}, b"")


@pytest.mark.fault(9)
async def test_each_exchange_has_its_own_time(start_faulty: StartFaulty, connect: Connect) -> None:
    """Of several under way none ends before its own time is over, and none is forgotten."""
    target: FaultyTarget = await start_faulty(Hang())
    exchanges, loop = connect(target.url, 0.1, limit=3), asyncio.get_running_loop()
    took: list[float] = []

    async def one(count: int) -> None:
        async def begun() -> bool:
            return len(target.requests) == count

        await until(begun, "the exchange before to begin")
        began = loop.time()
        with pytest.raises(TimeoutError):
            await exchanges.make("POST", {}, b"")
        took.append(loop.time() - began)

    await asyncio.gather(*(one(count) for count in range(3)))
    assert min(took) >= 0.099


@pytest.mark.fault(11)
async def test_answer_before_the_body_was_taken_ends_the_connection(connect: Connect) -> None:
    """The status decides of a target that reads no more; its connection is reset, not flushed."""
    size = 64 << 20

    class Early(asyncio.Protocol):
        def __init__(self) -> None:
            self.got = 0
            self.lost = asyncio.Event()
            peers.append(self)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            transport.pause_reading()
            transport.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")

        def data_received(self, data: bytes) -> None:
            self.got += len(data)

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set()

    peers: list[Early] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Early, "127.0.0.1", 0)
    exchanges = connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    for _ in range(2):
        assert (await exchanges.make("POST", {}, bytes(size))).status == 413
    async with asyncio.timeout(DEADLINE):
        for peer in peers:
            peer.transport.resume_reading()
            await peer.lost.wait()
    assert len(peers) == 2
    assert all(peer.got < size for peer in peers)
    server.close()


@pytest.mark.fault(11)
async def test_answer_that_nobody_asked_for_is_no_answer_to_the_next(
    start_faulty: StartFaulty,
) -> None:
    """Bytes that come on an idle connection are never the answer to a request that follows."""
    writers: list[asyncio.StreamWriter] = []

    class Keeps:
        async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
            writers.append(writer)
            return await Status().answer(heard, writer)

    protocols: list[ResponseHandler] = []

    class Noting(aiohttp.TCPConnector):
        async def connect(self, *args: Any) -> Connection:
            connection = await super().connect(*args)
            assert connection.protocol is not None
            protocols.append(connection.protocol)
            return connection

    target = await start_faulty(Keeps())
    exchanges = Exchanges(URL(target.url), Noting(), 5.0, DEADLINE, STANDING)
    assert (await exchanges.make("POST", {}, b"")).status == 200
    (idle,) = protocols
    writers[0].write(b"HTTP/1.1 500 Unasked\r\ncontent-length: 0\r\n\r\n")

    async def came() -> bool:
        return idle.should_close

    await until(came, "what nobody asked for to come")
    assert (await exchanges.make("POST", {}, b"")).status == 200
    assert [request.connection for request in target.requests] == [1, 2]
    await exchanges.close()


@pytest.mark.fault(10)
async def test_body_that_trickles_is_awaited_shortly(
    start_faulty: StartFaulty, connect: Connect
) -> None:
    """The status has decided: the body is waited for its own time, and its connection closed."""
    target = await start_faulty(TrickleBody(0.01))
    exchanges = connect(target.url, total=3600.0, patience=0.05)
    for _ in range(3):
        assert (await exchanges.make("POST", {}, b"")).status == 200
    assert [request.connection for request in target.requests] == [1, 2, 3]


async def test_idle_connection_that_the_target_gives_up_costs_nothing(
    start_faulty: StartFaulty, connect: Connect
) -> None:
    """The request goes once more on a fresh connection, also if the target has just closed it."""
    target = await start_faulty(Closes(at=2))
    exchanges = connect(target.url)
    for _ in range(3):
        assert (await exchanges.make("POST", {}, b"body")).status == 200
    assert [heard.connection for heard in target.requests] == [1, 1, 2, 2]


async def test_fresh_connection_that_is_closed_is_a_failure(
    start_faulty: StartFaulty, connect: Connect
) -> None:
    """Sent once: a target that closes every connection must not get every request twice."""
    target = await start_faulty(Closes(at=1))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await connect(target.url).make("POST", {}, b"body")
    assert len(target.requests) == 1


async def test_closed_tls_connection_waits_for_no_peer(
    start_faulty: StartFaulty, tmp_path: Path
) -> None:
    """A target that answers `connection: close`, and closes nothing itself, holds no socket."""
    target = await start_faulty(LastAnswer(), await self_signed(tmp_path))
    connector = NotingConnector(ssl=ssl.create_default_context(cafile=tmp_path / "cert.pem"))
    exchanges = Exchanges(URL(target.url), connector, 5.0, DEADLINE, STANDING)
    assert (await exchanges.make("POST", {}, b"body")).status == 200
    for _ in range(10):
        await asyncio.sleep(0)
    assert [socket.fileno() for socket in connector.sockets] == [-1]
    await exchanges.close()
