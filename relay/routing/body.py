"""Decodes bodies strictly: where RFC 8259 leaves a choice to readers, the body is refused.

Refused beside syntax errors: duplicate keys (RFC 8259 §4), NaN and Infinity, numbers beyond a
double (§6), a byte order mark (§8.1), invalid UTF-8, lone surrogates, more than 200 levels,
integers over 4,300 digits.
"""

import math
import zlib
from typing import Any

import jiter

from relay.errors import Rejected, RequestReason

# With every digit a 0 and every E an e, a number beyond a double holds one of two texts: three
# digits of an exponent, or 309 digits. Nearly all bodies hold neither: this saves the walk through
# the value, and no regular expression is as fast. tests/unit/routing/test_body.py holds it.
_SHAPE = bytes.maketrans(b"123456789E", b"000000000e")
_EXPONENT, _DIGITS = b"e000", b"0" * 309
_GZIP = 16 + zlib.MAX_WBITS
_JSON = frozenset({"", "application/json", "text/json", "text/plain"})


def decode_json(raw: bytes) -> Any:
    """Return the JSON value of a body; raise Rejected (malformed) with its first fault's place."""
    try:
        value = jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise Rejected(RequestReason.MALFORMED, f"the body is not valid JSON: {error}") from None
    shape = raw.translate(_SHAPE, b"+")
    # Not `in`: of bytes it asks first whether they are a number, by way of an exception.
    if (shape.find(_EXPONENT) >= 0 or shape.find(_DIGITS) >= 0) and not _finite(value):
        raise Rejected(
            RequestReason.MALFORMED,
            "the body is not valid JSON: a number is beyond a double's range",
        )
    return value


def check_media_type(content_type: str) -> None:
    """Raise Rejected (unsupported media type) unless `content_type` is JSON, text, or absent."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in _JSON and not (media.startswith("application/") and media.endswith("+json")):
        raise Rejected(
            RequestReason.UNSUPPORTED_MEDIA_TYPE,
            f"this route takes JSON (content-type: application/json), not {media}",
        )


def decompress(raw: bytes, encoding: str, limit: int) -> bytes:
    """Return the plain bytes of a gzip or deflate body (RFC 9110 §8.4.1).

    Raises Rejected: too large past `limit` bytes, malformed if damaged or followed by more,
    unsupported for any other encoding. One gzip member is read and no more: chains of empty
    members are an attack on the CPU.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return raw
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise Rejected(
            RequestReason.UNSUPPORTED_MEDIA_TYPE,
            f"content-encoding {encoding} is not supported; use gzip",
        )
    machine = zlib.decompressobj(zlib.MAX_WBITS if encoding == "deflate" else _GZIP)
    try:
        plain = machine.decompress(raw, limit + 1)
    except zlib.error:
        raise Rejected(RequestReason.MALFORMED, f"the body is not valid {encoding}") from None
    if len(plain) > limit:
        raise Rejected(RequestReason.BODY_TOO_LARGE, f"the decompressed body is over {limit} bytes")
    if not machine.eof or machine.unused_data:
        raise Rejected(RequestReason.MALFORMED, f"the body is not one complete {encoding} stream")
    return plain


def _finite(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            return False
    return True
