"""A request read from its connection: its headers, and its body within limits."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.web_exceptions import HTTPException

from relay.errors import Rejected, RequestReason


class Readable(Protocol):
    """A request whose body comes, of either listener."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""

    @property
    def content(self) -> StreamReader:
        """Its body."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """Where the sender is told to go on; None if it has gone."""


def lower_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers under lower-case names; repeated ones are joined by commas (RFC 9110 §5.3)."""
    found = {name.lower(): value for name, value in headers.items()}
    if len(found) == len(headers):
        return found
    found = {}
    for name, value in headers.items():
        low = name.lower()
        found[low] = f"{found[low]}, {value}" if low in found else value
    return found


def buffered_body(request: Readable, limit: int) -> bytes | None:
    """Return the body if all of it is here already, else None; raise Rejected if it is over `limit` bytes."""
    content = request.content
    if not content.is_eof():
        return None
    body = content.read_nowait() if content.total_bytes else b""
    if len(body) > limit:
        raise Rejected(RequestReason.BODY_TOO_LARGE, f"the body is over {limit} bytes")
    return body


async def read_body(request: Readable, limit: int, patience: float) -> bytes:
    """Return the body's very bytes, still compressed if they came so.

    Raises Rejected: too large past `limit` bytes (before reading, if the length says so), too slow past
    `patience` seconds, malformed if it breaks off.
    """
    if int(request.headers.get("content-length", 0)) > limit:
        raise Rejected(RequestReason.BODY_TOO_LARGE, f"the body is over {limit} bytes")
    if (
        request.headers.get("expect", "").lower() == "100-continue"
        and request.transport is not None
    ):
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = request.content
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            while part := await content.readany():
                size += len(part)
                if size > limit:
                    raise Rejected(RequestReason.BODY_TOO_LARGE, f"the body is over {limit} bytes")
                parts.append(part)
    except TimeoutError:
        raise Rejected(RequestReason.BODY_TOO_SLOW, f"the body took over {patience:g} s") from None
    except (HTTPException, HttpProcessingError, web.RequestPayloadError, OSError):
        raise Rejected(RequestReason.MALFORMED, "the body broke off") from None
    return b"".join(parts)
