"""A sender that writes its bytes itself, right or wrong."""

import asyncio
import contextlib
import re

from tests.support.waiting import DEADLINE

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


async def exchange(base: str, *parts: bytes, ends: bool = False) -> bytes:
    """Send these very bytes on one connection, and return all that comes until it is closed.

    If `ends`, half-close it after them. A connection that the other side keeps open for longer than
    the deadline fails the test.
    """
    host, _, port = base.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):  # it may have closed before it had all
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                if ends:
                    writer.write_eof()
            return await _read(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(1 << 16):
            got += part
    return got


def statuses(answers: bytes) -> list[int]:
    """Return the status of each answer in what came."""
    return [int(status) for status in _STATUS.findall(answers)]
