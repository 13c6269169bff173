"""A request read from its connection: its headers, and its body within limits."""

import asyncio
from collections.abc import Mapping

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPException

from relay.errors import Refusal, Rejected


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


def buffered_body(request: web.BaseRequest, limit: int) -> bytes | None:
    """Return the body if all of it is here already, else None; raise Rejected if it is over `limit` bytes."""
    content = request.content
    if not content.is_eof():
        return None
    body = content.read_nowait() if content.total_bytes else b""
    if len(body) > limit:
        raise Rejected(Refusal.BODY_TOO_LARGE, f"the body is over {limit} bytes")
    return body


async def read_body(request: web.BaseRequest, limit: int, patience: float) -> bytes:
    """Return the body's very bytes, still compressed if they came so.

    Raises Rejected: too large past `limit` bytes (before reading, if the length says so), too slow past
    `patience` seconds, malformed if it breaks off.
    """
    if (request.content_length or 0) > limit:
        raise Rejected(Refusal.BODY_TOO_LARGE, f"the body is over {limit} bytes")
    if request.headers.get("expect", "").lower() == "100-continue":
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    content = request.content
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            while part := await content.readany():
                size += len(part)
                if size > limit:
                    raise Rejected(Refusal.BODY_TOO_LARGE, f"the body is over {limit} bytes")
                parts.append(part)
    except TimeoutError:
        raise Rejected(Refusal.BODY_TOO_SLOW, f"the body took over {patience:g} s") from None
    except (HTTPException, HttpProcessingError, web.RequestPayloadError, OSError):
        raise Rejected(Refusal.MALFORMED, "the body broke off") from None
    return b"".join(parts)
