"""Checks a request before anything is kept of it: verify, decode, validate, authorize; no network.

Also reads a stored event again, by the route as it is now.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from relay.clock import Wall
from relay.errors import ExpressionFailed, NotVerified, Rejected, RequestReason
from relay.event import Event
from relay.expression.cel import Expression, Scope
from relay.http.headers import kept, readable
from relay.routing.body import check_media_type, decode_json, decompress
from relay.routing.route import Route
from relay.verify import Handshake, Incoming

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_TEXT = 512  # characters of an id, type or key


class Verified(NamedTuple):
    """A request that holds, with the values that expressions and deliveries need of it.

    `headers` are those that are kept; `raw` is the body as it came, `body` the value that
    transforms see. `invalid` says why it goes into quarantine, if it does.
    """

    sender: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    body: Any
    id: str
    type: str
    key: str
    scope: Scope
    invalid: Rejected | None = None


def check(
    route: Route, sender: str, incoming: Incoming, query: Mapping[str, str], now: Wall
) -> Verified | Handshake:
    """Verify, decode, validate and authorize a request; raise Rejected for whatever does not hold.

    `now` is in seconds since the epoch by the wall clock, as signatures are. A provider's handshake
    is returned as its answer. A body that fails validation on a route that quarantines is
    returned with `invalid` set, and is not authorized yet.
    """
    scheme = route.schemes[sender]
    try:
        scheme.verify(incoming, now)
    except NotVerified:
        raise Rejected(RequestReason.NOT_VERIFIED, "the request could not be verified") from None
    # Only now: the signature was over the very bytes.
    headers = readable(incoming.headers)
    plain, value = _decode(route, incoming.raw, headers)
    if (handshake := scheme.handshake(value)) is not None:
        return handshake
    invalid: Rejected | None = None
    body = value
    if route.validator is not None:
        try:
            body = route.validator.validate(plain, value)
        except Rejected as rejected:
            if not route.quarantines:
                raise
            invalid = rejected
    scope = Scope(
        {"body": value, "headers": headers, "query": query}, nul=_may_hold_nul(plain, query)
    )
    verified = Verified(
        sender=sender,
        headers=kept(headers, scheme.secret_headers),
        query=query,
        raw=incoming.raw,
        body=body,
        id=_fact(route.id, scope),
        type=_fact(route.type, scope),
        key=_fact(route.key, scope),
        scope=scope,
        invalid=invalid,
    )
    if route.authorize is not None and invalid is None:
        facts = {
            "event.sender": sender,
            "event.route": route.name,
            "event.type": verified.type,
            "event.key": verified.key,
            "event.dedupe_id": verified.id,
        }
        authorize(route, sender, scope.widened(facts))
    return verified


def authorize(route: Route, sender: str, scope: Scope) -> None:
    """Raise Rejected (forbidden) unless the route's `authorize` holds.

    An expression that has no value denies. The answer names the rule: the sender has been verified.
    """
    if route.authorize is None:
        return
    rule = " ".join(route.authorize.source.split())
    try:
        if route.authorize.value(scope) is True:
            return
        why = f"{rule} does not hold"
    except ExpressionFailed as error:
        why = f"whether {rule} holds can't be told: {error}"
    raise Rejected(RequestReason.FORBIDDEN, f"{sender or 'the sender'} may not send this: {why}")


def validate_stored(route: Route, event: Event) -> tuple[Event, Scope]:
    """Return a stored event with its body, and the scope of its expressions.

    It is decoded and validated by the route as it is now, which may have changed since the event
    was accepted; raises Rejected if it can't be decoded or is not valid.
    """
    plain, value, scope = _decode_stored(route, event)
    body = route.validator.validate(plain, value) if route.validator else value
    return event._replace(body=body), scope


def stored_scope(route: Route, event: Event) -> Scope:
    """Return the scope of a stored event's expressions; raise Rejected if it can't be decoded."""
    return _decode_stored(route, event)[2]


def _decode_stored(route: Route, event: Event) -> tuple[bytes, Any, Scope]:
    plain, value = _decode(route, event.raw, event.headers)
    values = {"body": value, "headers": event.headers, "query": event.query}
    return plain, value, Scope(values, nul=_may_hold_nul(plain, event.query)).of(event)


def _decode(route: Route, raw: bytes, headers: Mapping[str, str]) -> tuple[bytes, Any]:
    """Return the body without its content-encoding, and its JSON value if the route uses one."""
    if not route.tries_json:
        return raw, None
    try:
        if route.reads_json:
            check_media_type(headers.get("content-type", ""))
        plain = decompress(raw, headers.get("content-encoding", ""), route.body_limit)
        return plain, decode_json(plain)
    except Rejected:
        if route.reads_json:
            raise
        return raw, None


def _may_hold_nul(plain: bytes, query: Mapping[str, str]) -> bool:
    """Tell whether a text may hold NUL: JSON can only escape it; a query may hold anything."""
    return plain.find(b"\\u0000") >= 0 or bool(query)


def _fact(expression: Expression | None, scope: Scope) -> str:
    """Return an event's id, type or key: one line of text, '' if the request has none."""
    if expression is None:
        return ""
    try:
        text = expression.text(scope)
    except ExpressionFailed:
        return ""
    if text.isprintable() and len(text) <= _MOST_TEXT:
        return text
    return _CONTROL.sub(" ", text)[:_MOST_TEXT]
