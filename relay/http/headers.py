"""Which headers are kept and passed on: no framing, no credentials, nothing that could be read as two messages."""

import re
from collections.abc import Mapping

from relay.errors import TransformFailed

# Never passed on: hop-by-hop and framing headers (RFC 9110 §7.6.1), cookies, credentials, what the relay sets.
FRAMING = frozenset(
    {
        "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host",
        "expect", "proxy-authenticate", "proxy-authorization", "proxy-connection", "cookie",
    }
)  # fmt: skip
_DROPPED = FRAMING | {"authorization"}
# What the relay says of itself, or anew for each attempt.
_OWN = frozenset(
    {
        "webhook-id", "webhook-timestamp", "webhook-signature", "relay-route", "relay-attempt", "traceparent",
        "accept-encoding", "accept", "user-agent",
    }
)  # fmt: skip
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def readable(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers whose values are all text: what is not UTF-8 is read as ISO-8859-1 (RFC 9110 §5.5).

    Expressions take no half of a surrogate pair, which stands for such a byte, and the HTTP client would leave it out.
    """
    if all(map(str.isascii, headers.values())):
        return headers
    return {
        name: value.encode("utf-8", "surrogateescape").decode("latin-1")
        if _SURROGATE.search(value)
        else value
        for name, value in headers.items()
    }


def kept(headers: Mapping[str, str], secret: frozenset[str]) -> dict[str, str]:
    """Return the headers that are stored: not framing, not credentials, not what `Connection` lists.

    `headers` have lower-case names; `secret` are those that carry a shared secret.
    """
    connection = headers.get("connection", "keep-alive").lower()
    if connection not in {"keep-alive", "close"}:
        secret |= {name.strip() for name in connection.split(",")}
    dropped = _DROPPED | secret if secret else _DROPPED
    found = {name: value for name, value in headers.items() if name not in dropped}
    if "proxy-" in "\n".join(found):
        found = {name: value for name, value in found.items() if not name.startswith("proxy-")}
    if not "".join(found.values()).isprintable():
        found = {name: value for name, value in found.items() if not _BAD_VALUE.search(value)}
    return found


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the kept headers that go along with an unchanged body."""
    return {name: value for name, value in headers.items() if name not in _OWN}


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise TransformFailed for a name that is no token or frames the message, or a value that is no text.

    The HTTP client would send a space in a name, and a Transfer-Encoding or Content-Length of its caller's.
    """
    for name, value in headers.items():
        if not value.isascii() and _SURROGATE.search(value):
            raise TransformFailed(f"the value of header {name} is not text")
        if not _TOKEN.fullmatch(name) or name in FRAMING or name.startswith("proxy-"):
            raise TransformFailed(f"the header name {name!r} can't be sent")
        if _BAD_VALUE.search(value):
            raise TransformFailed(f"the value of header {name} has control characters")
