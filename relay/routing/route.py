"""What happens to a request of one route: verify, decode, validate, filter. No network.

Filter at accept, transform at delivery: the store keeps the raw body once, however many deliveries it owes.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from relay.delivery.rate import Rate
from relay.errors import ExpressionFailed, NotVerified, Rejected, RequestReason
from relay.event import Event, Owed
from relay.expression.cel import Expression, Scope
from relay.http.headers import kept, readable
from relay.routing.body import check_media_type, decode_json, decompress
from relay.routing.measure import Measure, Observed, observe
from relay.verify import Handshake, Incoming, Scheme


class ForwardOutcome(StrEnum):
    """What a forward said to an event; the `outcome` of `relay_forwards_total`."""

    OWED = "owed"
    SKIPPED = "skipped"
    ERROR = "error"


class Validator(Protocol):
    """Checks a decoded body and gives what transforms see as `event.body`."""

    def validate(self, body: bytes, value: Any) -> Any:
        """Return the body; raise Rejected (invalid) with the places that are wrong."""


@dataclass(frozen=True, slots=True)
class Each:
    """A recipient list: one delivery for each item of a list, to the target that an expression names."""

    items: Expression
    target: Expression


@dataclass(frozen=True, slots=True)
class Forward:
    """One rule of a route. Without `when` it takes every event; without `transform` or `body`, as it came.

    What is `ordered` goes out one at a time for each of the event's keys, in the order of acceptance.
    """

    name: str
    to: str | Each
    ordered: bool = False
    when: Expression | None = None
    transform: Callable[[Event], Any] | None = None
    body: Expression | None = None
    headers: tuple[tuple[str, Expression], ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """An incoming URL and all that happens to what arrives on it, compiled.

    `schemes` has a scheme a sender; a route without named senders has one under ''. `reads_json` says that
    a body that is not JSON is malformed; `tries_json` that it is decoded if it can be. `dedupe` is in
    seconds, `body_limit` in bytes; `retention` in seconds, None for the relay's own;
    `time_limit` in seconds, for the route's own code.
    `chosen` is a memory for `choose`, of a route without recipient lists: what it said, by which forwards took the event.
    """

    name: str
    path: str
    schemes: Mapping[str, Scheme]
    forwards: tuple[Forward, ...]
    id: Expression | None = None
    type: Expression | None = None
    key: Expression | None = None
    dedupe: float = 0.0
    validator: Validator | None = None
    authorize: Expression | None = None
    quarantines: bool = False
    reads_json: bool = False
    tries_json: bool = False
    body_limit: int = 1 << 20
    rate: Rate | None = None
    status: int = 202
    time_limit: float = 1.0
    retention: float | None = None
    measures: tuple[Measure, ...] = ()
    by_name: Mapping[str, Forward] = field(default_factory=dict)
    always: "Filtered | None" = None
    chosen: dict[int, "Filtered"] | None = None

    @property
    def paths(self) -> dict[str, str]:
        """Each incoming path with its sender: the route's own path, or under it one for each named sender."""
        return {f"{self.path}/{sender}" if sender else self.path: sender for sender in self.schemes}


class Verified(NamedTuple):
    """A request that holds, with what expressions and deliveries need of it."""

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


class Filtered(NamedTuple):
    """What an event owes, and what each forward said: (forward, target, outcome, detail).

    `lasts` says that it is one of the few that a route says again and again, always the same object.
    """

    owed: tuple[Owed, ...]
    said: tuple[tuple[str, str, ForwardOutcome, str], ...]
    lasts: bool = False


def check(
    route: Route, sender: str, incoming: Incoming, query: Mapping[str, str], now: float
) -> Verified | Handshake:
    """Verify, decode and validate; raise Rejected for whatever does not hold.

    A provider's handshake is returned as its answer. A body that fails validation on a route that quarantines is returned with `invalid` set.
    """
    scheme = route.schemes[sender]
    try:
        scheme.verify(incoming, now)
    except NotVerified:
        raise Rejected(RequestReason.NOT_VERIFIED, "the request could not be verified") from None
    headers = readable(incoming.headers)  # a signature was over the very bytes
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
        sender, kept(headers, scheme.secret_headers), query, incoming.raw, body,
        _text(route.id, scope), _text(route.type, scope), _text(route.key, scope), scope, invalid,
    )  # fmt: skip
    if route.authorize is not None and invalid is None:
        seen = {
            "event.sender": sender,
            "event.route": route.name,
            "event.type": verified.type,
            "event.key": verified.key,
            "event.dedupe_id": verified.id,
        }
        check_allowed(route, sender, scope.widened(seen))
    return verified


def check_allowed(route: Route, sender: str, scope: Scope) -> None:
    """Raise Rejected (forbidden) unless the route's `authorize` holds; what it can't tell, it denies.

    The sender has been verified: it may know the rule.
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


def choose(route: Route, event: Event, scope: Scope, targets: Mapping[str, Any]) -> Filtered:
    """Ask each forward whether it takes the event; a `when` that fails is an error, never a silent no."""
    if route.always is not None:
        return route.always
    scope = scope.of(event)
    if route.chosen is None:
        return _asked(route.forwards, scope, targets)
    mask = 0
    for n, forward in enumerate(route.forwards):
        when = forward.when
        try:
            takes = True if when is None else when.value(scope)
        except ExpressionFailed:
            return _asked(route.forwards, scope, targets)
        if takes is True:
            mask |= 1 << n
        elif takes is not False:
            return _asked(route.forwards, scope, targets)
    found = route.chosen.get(mask)
    if found is None:
        found = _asked(route.forwards, scope, targets)
        if len(route.chosen) < _MOST_CHOSEN:
            found = route.chosen[mask] = found._replace(lasts=True)
    return found


def _asked(forwards: Iterable[Forward], scope: Scope, targets: Mapping[str, Any]) -> Filtered:
    owed: list[Owed] = []
    said: list[tuple[str, str, ForwardOutcome, str]] = []
    for forward in forwards:
        label = forward.to if isinstance(forward.to, str) else ""
        try:
            if forward.when is not None and not _yes(forward.when, scope):
                said.append((forward.name, label, ForwardOutcome.SKIPPED, ""))
                continue
            to = forward.to
            chosen = [to] if isinstance(to, str) else _recipients(to, scope, targets)
        except ExpressionFailed as error:
            said.append((forward.name, label, ForwardOutcome.ERROR, str(error)))
            continue
        if not chosen:
            said.append((forward.name, label, ForwardOutcome.SKIPPED, ""))
        for target in chosen:
            owed.append(Owed(forward.name, target, forward.ordered))
            said.append((forward.name, target, ForwardOutcome.OWED, ""))
    return Filtered(tuple(owed), tuple(said))


def unconditional(forwards: Iterable[Forward]) -> "Filtered | None":
    """Return what every event owes if that hangs on nothing, else None."""
    targets = []
    for forward in forwards:
        if forward.when is not None or not isinstance(forward.to, str):
            return None
        targets.append(Owed(forward.name, forward.to, forward.ordered))
    return Filtered(
        tuple(targets),
        tuple((one.forward, one.target, ForwardOutcome.OWED, "") for one in targets),
        lasts=True,
    )


def _decode(route: Route, body: bytes, headers: Mapping[str, str]) -> tuple[bytes, Any]:
    """Return the body without its content-encoding, and its JSON value if the route has use for one."""
    if not route.reads_json and not route.tries_json:
        return body, None
    try:
        if route.reads_json:
            check_media_type(headers.get("content-type", ""))
        plain = decompress(body, headers.get("content-encoding", ""), route.body_limit)
        return plain, decode_json(plain)
    except Rejected:
        if route.reads_json:
            raise
        return body, None


def _may_hold_nul(plain: bytes, query: Mapping[str, str]) -> bool:
    """Tell whether a text may hold NUL: JSON can only spell it as an escape; a query may hold anything."""
    return plain.find(b"\\u0000") >= 0 or bool(query)


def read_again(route: Route, event: Event) -> tuple[Event, Scope]:
    """Decode and validate what was accepted before: the route may have changed since; raise Rejected if invalid.

    Returns the event with its body, and the scope of its expressions.
    """
    plain, value, scope = _seen_again(route, event)
    body = route.validator.validate(plain, value) if route.validator else value
    return event._replace(body=body), scope


def observed(route: Route, event: Event, scope: Scope) -> Observed:
    """Return what an event says about the route's metrics: of its headers, only those that are stored."""
    scope = scope.widened({"headers": event.headers, "query": event.query}).of(event)
    return observe(route.measures, scope, route.time_limit)


def observed_again(route: Route, measures: Sequence[Measure], event: Event) -> Observed:
    """Return what a stored event says about some of the route's metrics; raise Rejected if it can't be decoded."""
    return observe(measures, _seen_again(route, event)[2], route.time_limit)


def _seen_again(route: Route, event: Event) -> tuple[bytes, Any, Scope]:
    plain, value = _decode(route, event.raw, event.headers)
    seen = {"body": value, "headers": event.headers, "query": event.query}
    return plain, value, Scope(seen, nul=_may_hold_nul(plain, event.query)).of(event)


def _yes(when: Expression, scope: Scope) -> bool:
    value = when.value(scope)
    if not isinstance(value, bool):
        raise ExpressionFailed(f"when: true or false is needed, this is a {type(value).__name__}")
    return value


def _recipients(each: Each, scope: Scope, targets: Mapping[str, Any]) -> list[str]:
    items = each.items.value(scope)
    if not isinstance(items, list):
        raise ExpressionFailed(f"to.each: a list is needed, this is a {type(items).__name__}")
    if len(items) > _MOST_ITEMS:
        raise ExpressionFailed(f"to.each: {len(items)} items; a list may have {_MOST_ITEMS}")
    chosen: dict[str, None] = {}
    for item in items:
        name = each.target.text(scope.widened({"item": item}))
        if name not in targets:
            raise ExpressionFailed(f"to.target: there is no target {name!r}")
        chosen[name] = None
    return list(chosen)


def _text(expression: Expression | None, scope: Scope) -> str:
    """Evaluate an id, type or key; what has no value is ''. Control characters have no place in any."""
    if expression is None:
        return ""
    try:
        text = expression.text(scope)
    except ExpressionFailed:
        return ""
    return (
        text
        if text.isprintable() and len(text) <= _MOST_TEXT
        else _CONTROL.sub(" ", text)[:_MOST_TEXT]
    )


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_TEXT = 512
_MOST_CHOSEN = 256  # answers of one route's filters that are kept
_MOST_ITEMS = 10_000  # of a recipient list: about as many as are named in a tenth of a second


def describe(route: Route) -> dict[str, Any]:
    """Describe a route for `relay routes` and the console."""
    return {
        "route": route.name,
        "paths": list(route.paths),
        "senders": [sender for sender in route.schemes if sender],
        "scheme": next(iter(route.schemes.values())).name,
        "forwards": [
            {
                "name": forward.name,
                "to": f"each {forward.to.items.source}"
                if isinstance(forward.to, Each)
                else forward.to,
                "when": forward.when.source if forward.when else "",
                "ordered": forward.ordered,
            }
            for forward in route.forwards
        ],
    }
