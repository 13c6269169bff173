"""Accepted events as JSON Lines: an event a line, its body as the JSON value that it is."""

import base64
import json
from collections.abc import Callable, Iterable

from relay.admin.views import moment
from relay.errors import Rejected
from relay.event import Event
from relay.routing.body import decode_json, decompress

PAGE_BYTES = 4 << 20  # bytes of bodies that come together
MEDIA_TYPE = "application/x-ndjson"
_LINES = bytes.maketrans(
    b"\r\n", b"  "
)  # between JSON's tokens only: inside of a text they are escapes


def lines(events: Iterable[Event], limit: Callable[[str], int]) -> bytes:
    """Return a line for each event; `limit` gives a route's most bytes of a decompressed body."""
    return b"".join([line(event, limit(event.route)) for event in events])


def line(event: Event, limit: int) -> bytes:
    """Return the JSON line of an event.

    Its `body` is the JSON value, digit for digit. Bytes that are no JSON are `body_text`, or
    `body_base64` if they are no text. `limit`: bytes of a decompressed body at most.
    """
    facts = {
        "id": event.id,
        "route": event.route,
        "sender": event.sender,
        "type": event.type,
        "key": event.key,
        "dedupe_id": event.dedupe_id,
        "received": moment(event.received_at),
        "headers": dict(event.headers),
    }
    head = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return head[:-1] + b"," + _body(event, limit) + b"}\n"


def _body(event: Event, limit: int) -> bytes:
    try:
        plain = decompress(event.raw, event.headers.get("content-encoding", ""), limit)
    except Rejected:
        plain = event.raw
    try:
        decode_json(plain)
    except Rejected:
        try:
            return b'"body_text":' + json.dumps(plain.decode(), ensure_ascii=False).encode()
        except UnicodeDecodeError:
            return b'"body_base64":"' + base64.b64encode(plain) + b'"'
    return b'"body":' + plain.strip(b" \t\r\n").translate(_LINES)
