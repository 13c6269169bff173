"""A request read from its connection: its headers, and its body within limits."""

import asyncio
from collections.abc import Mapping

from aiohttp import web
from aiohttp.http import HttpProcessingError

from relay.errors import Rejected, RequestReason


def lower_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers under lower-case names; repeated ones are joined by commas (RFC 9110 §5.3)."""
    lower = {name.lower(): value for name, value in headers.items()}
    if len(lower) == len(headers):
        return lower
    joined: dict[str, str] = {}
    for name, value in headers.items():
        low = name.lower()
        joined[low] = f"{joined[low]}, {value}" if low in joined else value
    return joined


def buffered_body(request: web.BaseRequest, limit: int) -> bytes | None:
    """Return the body if all of it has come, else None; raise Rejected if it is over `limit` bytes.

    It saves most requests the wait of `read_body` (tests/integration/deliver/test_costs.py).
    """
    content = request.content
    if not content.is_eof():
        return None
    body = content.read_nowait() if content.total_bytes else b""
    if len(body) > limit:
        raise Rejected(RequestReason.BODY_TOO_LARGE, f"the body is over {limit} bytes")
    return body


async def read_body(request: web.BaseRequest, limit: int, patience: float) -> bytes:
    """Return the body's very bytes, still compressed if they came so.

    Raises Rejected: too large past `limit` bytes (before reading, if the length says so), too slow
    past `patience` seconds, malformed if it breaks off. A sender that waits for 100 Continue
    (RFC 9110 §10.1.1) gets it, but for a body that is too large.
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
    part = b""
    size = 0
    try:
        async with asyncio.timeout(patience):
            while part := await content.readany():
                size += len(part)
                if size > limit:
                    raise Rejected(RequestReason.BODY_TOO_LARGE, f"the body is over {limit} bytes")
                parts.append(part)
        return b"".join(parts)
    except TimeoutError:
        raise Rejected(RequestReason.BODY_TOO_SLOW, f"the body took over {patience:g} s") from None
    except (web.HTTPException, HttpProcessingError, web.RequestPayloadError, OSError):
        raise Rejected(RequestReason.MALFORMED, "the body broke off") from None
    finally:
        # aiohttp's reader keeps the exception of a body that breaks off, its traceback this frame,
        # and that the reader: until the collector comes, all bytes that a stranger sent.
        parts.clear()
        part = b""
