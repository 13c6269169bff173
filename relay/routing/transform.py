"""Makes the request of a delivery: its body, as it came or a new one, and its headers."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from relay.code.deadline import TimeLimitExceeded, describe_error, limited
from relay.errors import ExpressionFailed, Rejected, TransformFailed
from relay.event import Event, Request
from relay.expression.cel import Expression, Scope
from relay.http.headers import check_headers, passed_on
from relay.routing.check import validate_stored
from relay.routing.route import Forward, Route

_BYTES = "application/octet-stream"
_LARGEST = 64 << 20  # bytes of a new body; a body that goes out as it came has its route's limit
_METHODS = frozenset({"", "POST", "PUT", "PATCH", "DELETE", "GET"})


class Outgoing(NamedTuple):
    """A delivery's request, without the target's additions; `method` '' is the target's."""

    method: str
    headers: dict[str, str]
    body: bytes


def prepare(route: Route, forward: Forward, event: Event, body: Any = None) -> Outgoing | None:
    """Return the delivery's request, or None if the transform says that there is none.

    An event of which the forward wants more than its bytes is decoded and validated anew, by the
    route as it is now, unless its `body` is at hand, and nobody else's.

    Raises TransformFailed: the event is not valid any more, the transform or an expression raised,
    or its result can't be sent.
    """
    if forward.transform is None and forward.body is None and not forward.headers:
        return Outgoing("", passed_on(event.headers), event.raw)
    if body is not None and forward.transform is not None and not forward.headers:
        return _transform(forward.transform, event._replace(body=body), route.time_limit)
    event, scope = _validate(route, event)
    if forward.transform is not None:
        request = _transform(forward.transform, event, route.time_limit)
        if request is None:
            return None
    elif forward.body is not None:
        request = _request(_evaluate(forward.body, scope))
    else:
        headers = {"content-type": _BYTES} | passed_on(event.headers)
        request = Outgoing("", headers, event.raw)
    if forward.headers:
        _add_headers(request.headers, forward, scope)
    return request


def _validate(route: Route, event: Event) -> tuple[Event, Scope]:
    try:
        return validate_stored(route, event)
    except Rejected as rejected:
        places = "; ".join(f"{path}: {fault}" for path, fault in rejected.where)
        raise TransformFailed(f"{rejected.detail} {places}".strip()) from rejected


def _evaluate(expression: Expression, scope: Scope) -> Any:
    try:
        return expression.value(scope)
    except ExpressionFailed as error:
        raise TransformFailed(f"body: {error}") from error


def _add_headers(headers: dict[str, str], forward: Forward, scope: Scope) -> None:
    for name, expression in forward.headers:
        try:
            headers[name] = expression.text(scope)
        except ExpressionFailed as error:
            raise TransformFailed(f"headers.{name}: {error}") from error
    check_headers(headers)


def _transform(transform: Callable[[Event], Any], event: Event, seconds: float) -> Outgoing | None:
    """Call a route's own code and make plain values of its result, within `seconds`.

    The result is read within the limit, too: its own methods are the route's code.
    """
    try:
        return limited(seconds, _call, transform, event)
    except TransformFailed:
        raise
    except TimeLimitExceeded:
        raise TransformFailed(f"the transform took over {seconds:g} s") from None
    # All: a KeyboardInterrupt would end the relay, a CancelledError its worker.
    except BaseException as error:
        raise TransformFailed(_describe(error)) from error


def _call(transform: Callable[[Event], Any], event: Event) -> Outgoing | None:
    match transform(event):
        case None:
            return None
        case Request(body=body, headers=headers, method=method):
            return _request(body, headers, method)
        case (bytes() | str() | dict() | list()) as body:
            return _request(body)
        case other:
            raise TransformFailed(
                f"the transform returned a {type(other).__name__}; "
                "it may return dict, list, str, bytes, Request or None"
            )


def _describe(error: BaseException) -> str:
    """Return the text of an error, with the line of the route's own code that raised it."""
    relay = Path(__file__).parents[1]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(relay)
    ]
    if not frames:
        return describe_error(error)
    # The outermost frame is the transform itself; the code that it calls elsewhere is a library's.
    folder = Path(frames[0].filename).parent
    last = [frame for frame in frames if Path(frame.filename).parent == folder][-1]
    place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
    return f"{describe_error(error)} ({place})"


def _request(body: Any, headers: Mapping[str, str] | None = None, method: str = "") -> Outgoing:
    """Return the request that a transform or an expression asks for; raise TransformFailed."""
    if method not in _METHODS:
        raise TransformFailed(f"{method!r} is not a method; use POST, PUT, PATCH, DELETE or GET")
    encoded, content_type = _encode(body)
    if len(encoded) > _LARGEST:
        raise TransformFailed(f"the new body is over {_LARGEST >> 20} MiB")
    all_headers = {"content-type": content_type}
    if headers:
        all_headers |= {name.lower(): str(value) for name, value in headers.items()}
        check_headers(all_headers)
    return Outgoing(method, all_headers, encoded)


def _encode(body: Any) -> tuple[bytes, str]:
    """Return a new body's bytes, and their media type."""
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
    """Write JSON as pydantic does, models, times and UUIDs included.

    Raises ValueError for a number that JSON has no form for: pydantic writes it as NaN or Infinity.
    """
    text = to_json(value)
    suspicious = text.find(b"NaN") >= 0 or text.find(b"Infinity") >= 0
    # A text may hold these words; a number that is not finite changes with this option.
    if suspicious and to_json(value, inf_nan_mode="null") != text:
        raise ValueError("a number is not finite")
    return text
