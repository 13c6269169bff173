"""The headers that are kept and passed on.

None of them frames a message, carries credentials, or could be read as two headers.
"""

import re
from collections.abc import Mapping

from relay.errors import TransformFailed

# Hop-by-hop and framing headers (RFC 9110 §7.6.1), and cookies: a request that is sent has its own.
FRAMING = frozenset(
    {
        "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
        "content-length", "host", "expect", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "cookie",
    }
)  # fmt: skip
_DROPPED = FRAMING | {"authorization"}
# Headers that the relay sets itself, some of them anew for each attempt.
_OWN = frozenset(
    {
        "webhook-id", "webhook-timestamp", "webhook-signature", "relay-route", "relay-attempt",
        "traceparent", "accept-encoding", "accept", "user-agent",
    }
)  # fmt: skip
# RFC 9110 §5.6.2
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def readable(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers whose values are all text.

    Bytes that are no UTF-8 are read as ISO-8859-1 (RFC 9110 §5.5). They came as halves of surrogate
    pairs, which expressions do not take and the HTTP client would leave out.
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
    """Return the headers that are stored: no framing, no credentials, none that `Connection` lists.

    `headers` have lower-case names; `secret` are those that carry a shared secret.
    """
    connection = headers.get("connection", "keep-alive").lower()
    if connection not in {"keep-alive", "close"}:
        secret |= {name.strip() for name in connection.split(",")}
    dropped = _DROPPED | secret if secret else _DROPPED
    rest = {name: value for name, value in headers.items() if name not in dropped}
    if "proxy-" in "\n".join(rest):
        rest = {name: value for name, value in rest.items() if not name.startswith("proxy-")}
    if not "".join(rest.values()).isprintable():
        rest = {name: value for name, value in rest.items() if not _BAD_VALUE.search(value)}
    return rest


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the kept headers that go along with an unchanged body."""
    return {name: value for name, value in headers.items() if name not in _OWN}


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise TransformFailed for a header that can't be sent.

    Its name is no token or frames the message, or its value is no text. The HTTP client would send
    a space in a name, and its caller's Transfer-Encoding or Content-Length.
    """
    for name, value in headers.items():
        if not value.isascii() and _SURROGATE.search(value):
            raise TransformFailed(f"the value of header {name} is not text")
        if not _TOKEN.fullmatch(name) or name in FRAMING or name.startswith("proxy-"):
            raise TransformFailed(f"the header name {name!r} can't be sent")
        if _BAD_VALUE.search(value):
            raise TransformFailed(f"the value of header {name} has control characters")
