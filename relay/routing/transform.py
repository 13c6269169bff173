"""What a delivery sends: the body as it came, or what a transform or an expression makes of it. No network."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from relay.code.deadline import TimeLimitExceeded, limited, told
from relay.errors import ExpressionFailed, Rejected, TransformFailed
from relay.event import Event, Request
from relay.expression.cel import Expression, Scope
from relay.http.headers import check_headers, passed_on
from relay.routing.check import validate_stored
from relay.routing.route import Forward, Route

_BYTES = "application/octet-stream"
_LARGEST = (
    64 << 20
)  # bytes of a body that a transform or an expression may make; what came is as large as it came
_BODIES = (bytes, str, dict, list)  # what a transform may return beside a Request
_METHODS = frozenset({"", "POST", "PUT", "PATCH", "DELETE", "GET"})


class Outgoing(NamedTuple):
    """The request of a delivery, but for what the target adds: method ('' is the target's), headers, body."""

    method: str
    headers: dict[str, str]
    body: bytes


def prepare(route: Route, forward: Forward, event: Event) -> Outgoing | None:
    """Return the delivery's request, or None if the transform says that there is none.

    Raises TransformFailed with what the transform or expression raised, or why its answer can't be sent.
    """
    if forward.transform is None and forward.body is None and not forward.headers:
        return Outgoing("", passed_on(event.headers), event.raw)
    event, scope = _reread(route, event)
    if forward.transform is not None:
        made = _call(forward.transform, event, route.time_limit)
        if made is None:
            return None
    elif forward.body is not None:
        made = _outgoing(_evaluated(forward.body, scope))
    else:
        made = Outgoing("", {"content-type": _BYTES} | passed_on(event.headers), event.raw)
    for name, expression in forward.headers:
        try:
            made.headers[name] = expression.text(scope)
        except ExpressionFailed as error:
            raise TransformFailed(f"headers.{name}: {error}") from error
    if forward.headers:
        check_headers(made.headers)
    return made


def _reread(route: Route, event: Event) -> tuple[Event, Scope]:
    try:
        return validate_stored(route, event)
    except Rejected as rejected:
        places = "; ".join(f"{path}: {text}" for path, text in rejected.where)
        raise TransformFailed(f"{rejected.detail} {places}".strip()) from rejected


def _transformed(transform: Callable[[Event], Any], event: Event) -> Outgoing | None:
    made = transform(event)
    if isinstance(made, Request):
        return _outgoing(made.body, made.headers, made.method)
    if made is None or isinstance(made, _BODIES):
        return None if made is None else _outgoing(made)
    raise TransformFailed(
        f"the transform returned a {type(made).__name__}; it may return dict, list, str, bytes, Request or None"
    )


def _call(transform: Callable[[Event], Any], event: Event, seconds: float) -> Outgoing | None:
    """Call a route's own code, and make of its answer plain values: the answer's own methods are its code too."""
    try:
        return limited(seconds, _transformed, transform, event)
    except TransformFailed:
        raise
    except TimeLimitExceeded:
        raise TransformFailed(f"the transform took over {seconds:g} s") from None
    except (
        BaseException
    ) as error:  # KeyboardInterrupt would end the relay, CancelledError its worker
        raise TransformFailed(_told(error)) from error


def _told(error: BaseException) -> str:
    """Say what was raised and on which line of the route's own code."""
    ours = Path(__file__).parents[1]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(ours)
    ]
    own = [
        frame for frame in frames if Path(frame.filename).parent == Path(frames[0].filename).parent
    ]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name})" if own else ""
    return f"{told(error)}{place}"


def _outgoing(body: Any, headers: Mapping[str, str] | None = None, method: str = "") -> Outgoing:
    if method not in _METHODS:
        raise TransformFailed(f"{method!r} is not a method; use POST, PUT, PATCH, DELETE or GET")
    encoded, content_type = _encode(body)
    if len(encoded) > _LARGEST:
        raise TransformFailed(f"the new body is over {_LARGEST >> 20} MiB")
    sent = {"content-type": content_type}
    if headers:
        sent |= {name.lower(): str(value) for name, value in headers.items()}
        check_headers(sent)
    return Outgoing(method, sent, encoded)


def _evaluated(expression: Expression, scope: Scope) -> Any:
    try:
        return expression.value(scope)
    except ExpressionFailed as error:
        raise TransformFailed(f"body: {error}") from error


def _encode(body: Any) -> tuple[bytes, str]:
    if isinstance(body, (bytes, bytearray)):
        return bytes(body), _BYTES
    try:
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        return _json(body), "application/json"
    except UnicodeEncodeError as error:
        raise TransformFailed(f"the new body is not text: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise TransformFailed(f"the new body is not JSON: {error}") from error


def _json(value: Any) -> bytes:
    """Write JSON as pydantic does, models, times and UUIDs included; raise ValueError for what has no such form."""
    text = to_json(value)
    if (text.find(b"NaN") >= 0 or text.find(b"Infinity") >= 0) and to_json(
        value, inf_nan_mode="null"
    ) != text:
        raise ValueError("a number is not finite")
    return text
