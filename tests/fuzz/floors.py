"""The functions that may be fed with any bytes.

Each takes some, and returns, or raises an error that it is documented to raise.
"""

import contextlib
from collections.abc import Callable, Mapping

from relay.clock import wall
from relay.config.source import Source
from relay.errors import ExpressionFailed, NotVerified, Rejected, TransformFailed
from relay.expression.cel import Expression, Scope
from relay.http.headers import check_headers, kept, passed_on, readable
from relay.routing.body import check_media_type, decode_json, decompress
from relay.verify import Incoming, Scheme
from relay.verify.basic import Basic
from relay.verify.github import Github
from relay.verify.hmac import Hmac
from relay.verify.mac import Recipe
from relay.verify.slack import Slack
from relay.verify.standard_webhooks import StandardWebhooks
from relay.verify.stripe import Stripe
from relay.verify.token import Token

KEYS = [
    b"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    b"whsec_YW5vdGhlciBrZXksIGFub3RoZXIga2V5LCBhbm90aGU=",
]
_TIMED = Recipe(
    header="x-signature", signed="{method}.{id}.{timestamp}.{body}", timestamp_header="x-time",
    id_header="x-id", encoding="base64", hash="sha512",
)  # fmt: skip
SCHEMES: list[Scheme] = [
    StandardWebhooks(KEYS), Stripe(KEYS), Slack(KEYS), Github(KEYS), Token(KEYS),
    Token(KEYS, "x-token"), Basic(KEYS, "lan"), Hmac(KEYS, _TIMED),
]  # fmt: skip
NAMES = (
    "webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "svix-timestamp",
    "svix-signature",
    "stripe-signature", "x-slack-signature", "x-slack-request-timestamp", "x-hub-signature-256",
    "authorization",
    "x-token", "x-signature", "x-time", "x-id", "connection", "content-type", "content-encoding",
)  # fmt: skip
_SEEN = Expression('{"b": body, "h": headers, "q": query, "same": body == body}', "request")
_LIMIT = 1 << 16


def text_of(raw: bytes) -> str:
    """Return bytes as the HTTP parser gives them to us."""
    return raw.decode("utf-8", "surrogateescape")


def headers_of(raw: bytes) -> dict[str, str]:
    """Cut bytes into the values of the headers that anything looks at."""
    return dict(zip(NAMES, map(text_of, raw.split(b"\0")), strict=False))


def json(raw: bytes) -> None:
    """Decode a body: expressions see its value, which keeps its NULs and its large integers."""
    try:
        value = decode_json(raw)
    except Rejected:
        return
    scope = Scope({"body": value, "headers": {}, "query": {}})
    with contextlib.suppress(ExpressionFailed):
        assert _SEEN.value(scope)["same"] is True


def gzip(raw: bytes) -> None:
    """Decompress: never more than the limit."""
    for encoding in ("gzip", "deflate", "", text_of(raw[:20])):
        with contextlib.suppress(Rejected):
            assert len(decompress(raw, encoding, _LIMIT)) <= _LIMIT or encoding in {"", "identity"}
    with contextlib.suppress(Rejected):
        check_media_type(text_of(raw))


def verification(raw: bytes) -> None:
    """Verify with every scheme: nothing holds that no holder of a secret made."""
    incoming = Incoming(headers_of(raw), raw)
    for scheme in SCHEMES:
        try:
            scheme.verify(incoming, wall())
        except NotVerified:
            continue
        raise AssertionError(f"{scheme.name} believes {raw!r}")


def headers(raw: bytes) -> None:
    """Keep and pass on: what goes out is text, frames nothing, and is what expressions see."""
    given: Mapping[str, str] = readable(headers_of(raw))
    found = passed_on(kept(given, frozenset({"x-token"})))
    check_headers(found)
    assert not {"connection", "authorization", "x-token", "webhook-id"} & found.keys()
    for value in found.values():
        value.encode()
    scope = Scope({"body": None, "headers": given, "query": {"q": "\0"}})
    assert _SEEN.value(scope)["h"] == given
    with contextlib.suppress(TransformFailed):
        check_headers({text_of(raw): text_of(raw)})
        assert raw.isascii()
        assert not set(raw) & set(b" \r\n\0:")


FLOORS: list[Callable[[bytes], None]] = [json, gzip, verification, headers]


def config(raw: bytes, source: Callable[[bytes], Source]) -> None:
    """Read as a YAML file: data, or problems with a place that the file has."""
    read = source(raw)
    assert (read.data is None) == bool(read.problems)
    for problem in read.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        str(problem).encode()
