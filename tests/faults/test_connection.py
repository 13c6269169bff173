"""Connections of the public listener: pipelining, upgrades, refused bodies, closing under way."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from relay.http.answer import Answer, Response
from relay.http.listener import Listener
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import DEADLINE
from tests.support.wire import exchange, statuses

POST = b"POST /in/in HTTP/1.1\r\nHost: relay\r\n"
LENGTH = b"Content-Length: 2\r\n"


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"limits": {"body": "1KiB"}, "forward": [{"to": "hook"}]})
    return await start_relay(site)


async def test_hundreds_of_requests_in_one_packet_are_all_answered(relay: Running) -> None:
    """More than are kept at a time: reading stops meanwhile, and goes on."""
    one = POST + LENGTH + b"\r\n{}"
    last = POST + LENGTH + b"Connection: close\r\n\r\n{}"
    answers = await exchange(relay.public, one * 300 + last)
    assert statuses(answers) == [202] * 301
    assert answers.count(b"connection: close") == 1


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_upgrade_is_not_taken_up_and_ends_the_connection(
    relay: Running, upgrade: bytes
) -> None:
    """It is answered as any request; bytes after it may be of another protocol: none is read."""
    asked = POST + LENGTH + b"Connection: upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n{}"
    answers = await exchange(relay.public, asked + POST + LENGTH + b"\r\n{}")
    assert len(statuses(answers)) == 1, answers
    assert b"connection: close" in answers


async def test_bytes_after_connect_are_no_request(relay: Running) -> None:
    """A careless proxy would pass them on as those of a tunnel: the answer ends the connection."""
    asked = b"CONNECT relay:80 HTTP/1.1\r\nHost: relay\r\n\r\n" + POST + LENGTH + b"\r\n{}"
    answers = await exchange(relay.public, asked)
    assert statuses(answers) == [404]
    assert b"connection: close" in answers


async def test_upgrade_that_the_connection_does_not_name_is_no_upgrade(relay: Running) -> None:
    """RFC 9110 §7.8: an intermediary has forwarded it by mistake; the next request is one."""
    asked = POST + LENGTH + b"Upgrade: h2c\r\n\r\n{}"
    last = POST + LENGTH + b"Connection: close\r\n\r\n{}"
    assert statuses(await exchange(relay.public, asked + last)) == [202, 202]


async def test_who_still_sends_a_body_that_is_refused_can_read_why(relay: Running) -> None:
    """The rest is read and forgotten: closed at once, the connection would lose its answer."""
    size = 32 << 20
    host, _, port = relay.public.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    async with asyncio.timeout(DEADLINE):
        writer.write(POST + f"Content-Length: {size}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"413"
        for _ in range(size >> 16):
            writer.write(bytes(1 << 16))
            await writer.drain()
        assert b"body_too_large" in await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def held() -> AsyncIterator[tuple[Listener, str, asyncio.Event, asyncio.Event]]:
    """Yield a listener whose answers wait: (it, its URL, a request has come, answers may go)."""
    came, may_go = asyncio.Event(), asyncio.Event()

    async def handle(_: web.BaseRequest) -> Response:
        came.set()
        await may_go.wait()
        return Response(Answer(202, b"{}"))

    listener = Listener(handle, lambda _: Response(Answer(400)))
    server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
    yield listener, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came, may_go
    may_go.set()
    server.close()
    await listener.shutdown(DEADLINE)


async def test_closing_waits_for_the_answer_and_takes_no_more(
    held: tuple[Listener, str, asyncio.Event, asyncio.Event],
) -> None:
    """A request under way when the listener closes is answered; one behind it need not be."""
    listener, url, came, may_go = held
    one = POST + LENGTH + b"\r\n{}"
    answers = asyncio.create_task(exchange(url, one, one))
    await came.wait()
    listener.pre_shutdown()
    closing = asyncio.create_task(listener.shutdown(DEADLINE))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not closing.done()
    may_go.set()
    await closing
    assert statuses(await answers) == [202]


async def test_who_has_gone_before_its_answer_harms_nobody(
    held: tuple[Listener, str, asyncio.Event, asyncio.Event],
) -> None:
    """The answer is written to nobody; the next connection has its own."""
    _, url, came, may_go = held
    host, _, port = url.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(POST + LENGTH + b"\r\n{}")
    await came.wait()
    writer.transport.abort()
    may_go.set()
    answers = await exchange(url, POST + LENGTH + b"Connection: close\r\n\r\n{}")
    assert statuses(answers) == [202]


async def test_closing_ends_the_connection_with_the_answer(
    held: tuple[Listener, str, asyncio.Event, asyncio.Event],
) -> None:
    """Also before a shutdown: a sender that keeps it open would wait for nothing."""
    listener, url, came, may_go = held
    answers = asyncio.create_task(exchange(url, POST + LENGTH + b"\r\n{}"))
    await came.wait()
    listener.pre_shutdown()
    may_go.set()
    assert statuses(await answers) == [202]
