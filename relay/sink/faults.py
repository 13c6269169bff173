"""Targets that misbehave, over plain sockets, so that they can lie: for `relay sink` and the tests.

Each is a small class; `answer` writes to the connection, and returns whether another request may
follow.
"""

import asyncio
import gzip
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any, Protocol

from relay.sink.request import Heard

_FLOOD = 10_000
_CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


class Fault(Protocol):
    """One way to answer."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answers every request with this status."""

    status: int = 200

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer."""
        await _send(writer, _head(self.status), b"")
        return True


@dataclass(frozen=True, slots=True)
class FailFirst:
    """Answers 500 to so many requests, then 200."""

    count: int = 3

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer."""
        await _send(writer, _head(500 if heard.number <= self.count else 200), b"")
        return True


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Answers 429 with this Retry-After to the first request, then 200."""

    value: str = "2"
    status: int = 429

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer."""
        first = heard.number == 1
        await _send(
            writer, _head(self.status, f"retry-after: {self.value}") if first else _head(200), b""
        )
        return True


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answers with this redirect, to /elsewhere on the same host."""

    status: int = 302

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Answer."""
        await _send(writer, _head(self.status, "location: /elsewhere"), b"")
        return True


@dataclass(frozen=True, slots=True)
class Stall:
    """Waits so many seconds, then answers 200."""

    seconds: float = 5.0

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Wait, then answer."""
        await asyncio.sleep(self.seconds)
        await _send(writer, _head(200), b"")
        return True


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answers."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Wait until the other side gives up."""
        await asyncio.Event().wait()
        return False


@dataclass(frozen=True, slots=True)
class TrickleHead:
    """Sends the head of a 200 a byte each so many seconds."""

    seconds: float = 0.2

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Trickle."""
        await _trickle(writer, b"HTTP/1.1 200 OK\r\nx: " + b"x" * _FLOOD, self.seconds)
        return False


@dataclass(frozen=True, slots=True)
class TrickleBody:
    """Sends the body of a 200 a byte each so many seconds."""

    seconds: float = 0.2

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Trickle."""
        await _send(writer, b"HTTP/1.1 200 OK\r\n", b"content-length: 10000\r\n\r\n")
        await _trickle(writer, b"x" * _FLOOD, self.seconds)
        return False


@dataclass(frozen=True, slots=True)
class Reset:
    """Resets the connection instead of answering."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Reset it: a socket that lingers for 0 seconds sends RST when it is closed."""
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()
        return False


@dataclass(frozen=True, slots=True)
class Close:
    """Closes the connection without an answer."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Close it."""
        return False


@dataclass(frozen=True, slots=True)
class HalfHead:
    """Closes the connection in the middle of the answer's head."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send half of it."""
        await _send(writer, b"HTTP/1.1 200 OK\r\ncontent-", b"")
        return False


@dataclass(frozen=True, slots=True)
class ShortBody:
    """Answers 200 with a body shorter than its content-length, then closes."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Lie about the length."""
        await _send(writer, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", b"short")
        return False


@dataclass(frozen=True, slots=True)
class LongBody:
    """Answers 200 with more than its content-length, so that the rest looks like another answer."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send more than was said."""
        await _send(writer, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", _head(500))
        return True


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answers with what is not HTTP."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send it."""
        await _send(writer, b"220 mail.example.org ESMTP\r\n\r\n", bytes(range(256)))
        return False


@dataclass(frozen=True, slots=True)
class EndlessBody:
    """Answers with this status and a body that never ends."""

    status: int = 200

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send chunks until the other side closes."""
        await _send(
            writer, f"HTTP/1.1 {self.status} x\r\ntransfer-encoding: chunked\r\n\r\n".encode(), b""
        )
        while True:
            await _send(writer, _CHUNK, b"")


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """Answers with this status and a gzip body of 10 KB that unpacks to 10 MB."""

    status: int = 200

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send it."""
        bomb = gzip.compress(bytes(10_000_000))
        head = (
            f"HTTP/1.1 {self.status} x\r\ncontent-encoding: gzip\r\n"
            f"content-length: {len(bomb)}\r\n\r\n"
        )
        await _send(writer, head.encode(), bomb)
        return True


@dataclass(frozen=True, slots=True)
class ManyHeaders:
    """Answers 200 with so many headers."""

    count: int = _FLOOD

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send them."""
        headers = b"".join(b"x-%d: y\r\n" % n for n in range(self.count))
        await _send(writer, b"HTTP/1.1 200 OK\r\n" + headers, b"content-length: 0\r\n\r\n")
        return True


@dataclass(frozen=True, slots=True)
class EndlessHead:
    """Answers 200 with a header that never ends."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send until the other side closes."""
        await _send(writer, b"HTTP/1.1 200 OK\r\nx: ", b"")
        while True:
            await _send(writer, b"x" * _FLOOD, b"")


@dataclass(frozen=True, slots=True)
class InterimFlood:
    """Sends interim answers (103) without end."""

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        """Send until the other side closes."""
        while True:
            await _send(writer, b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 100, b"")
            await asyncio.sleep(0.001)


FAULTS: Mapping[str, type[Any]] = {
    "status": Status,
    "fail-first": FailFirst,
    "retry-after": RetryAfter,
    "redirect": Redirect,
    "stall": Stall,
    "hang": Hang,
    "trickle-head": TrickleHead,
    "trickle-body": TrickleBody,
    "reset": Reset,
    "close": Close,
    "half-head": HalfHead,
    "short-body": ShortBody,
    "long-body": LongBody,
    "garbage": Garbage,
    "endless-body": EndlessBody,
    "gzip-bomb": GzipBomb,
    "many-headers": ManyHeaders,
    "endless-head": EndlessHead,
    "interim-flood": InterimFlood,
}


def parse(text: str) -> Fault:
    """Return the fault of NAME or NAME=VALUE; raise ValueError with what there is."""
    name, _, value = text.partition("=")
    if name not in FAULTS:
        raise ValueError(f"there is no {name!r}; there are {', '.join(FAULTS)}")
    kind = FAULTS[name]
    if not value:
        chosen: Fault = kind()
        return chosen
    parameters = fields(kind)
    if not parameters:
        raise ValueError(f"{name} takes no value")
    default: Any = parameters[0].default
    try:
        chosen = kind(type(default)(value))
    except ValueError:
        raise ValueError(f"{name} takes a number of {parameters[0].name}, not {value!r}") from None
    return chosen


def _head(status: int, *headers: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Status"
    lines = [f"HTTP/1.1 {status} {phrase}", *headers]
    if status >= 200 and status != HTTPStatus.NO_CONTENT:
        lines.append("content-length: 0")
    return "\r\n".join([*lines, "", ""]).encode()


async def _send(writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
    writer.write(head + body)
    await writer.drain()


async def _trickle(writer: asyncio.StreamWriter, data: bytes, seconds: float) -> None:
    for n in range(len(data)):
        await _send(writer, data[n : n + 1], b"")
        await asyncio.sleep(seconds)
