"""What a delivery sends: the body as it came, or what a transform or an expression makes of it. No network."""

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from relay.deadline import TimeLimitExceeded, limited, told
from relay.errors import ExpressionFailed, Rejected, TransformFailed
from relay.event import Event, Request
from relay.expression import Expression, Scope
from relay.headers import check_headers, passed_on
from relay.route import Forward, Route, read_again

_BYTES = "application/octet-stream"
_LARGEST = (
    64 << 20
)  # bytes of a body that a transform or an expression may make; what came is as large as it came
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
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
        return Outgoing("", passed_on(event.headers), event.body)
    scope: Scope | None = None
    if forward.body is not None or forward.headers or (forward.transform and event.payload is None):
        event, scope = _reread(route, event)
    if forward.transform is not None:
        made = _call(forward.transform, event, route.time_limit)
        if made is None:
            return None
    elif forward.body is not None and scope is not None:
        made = _outgoing(Request(_evaluated(forward.body, scope)))
    else:
        made = Outgoing("", {"content-type": _BYTES} | passed_on(event.headers), event.body)
    if forward.headers and scope is not None:
        for name, expression in forward.headers:
            try:
                made.headers[name] = expression.text(scope)
            except ExpressionFailed as error:
                raise TransformFailed(f"headers.{name}: {error}") from error
        check_headers(made.headers)
    return made


def _reread(route: Route, event: Event) -> tuple[Event, Scope]:
    try:
        return read_again(route, event)
    except Rejected as rejected:
        places = "; ".join(f"{path}: {text}" for path, text in rejected.where)
        raise TransformFailed(f"{rejected.detail} {places}".strip()) from rejected


def _transformed(transform: Callable[[Event], Any], event: Event) -> Outgoing | None:
    made = transform(event)
    return None if made is None else _outgoing(made if isinstance(made, Request) else _body_alone(made))


def _call(transform: Callable[[Event], Any], event: Event, seconds: float) -> Outgoing | None:
    """Call a route's own code, and make of its answer plain values: the answer's own methods are its code too."""
    try:
        return limited(seconds, _transformed, transform, event)
    except TransformFailed:
        raise
    except TimeLimitExceeded:
        raise TransformFailed(f"the transform took over {seconds:g} s") from None
    except BaseException as error:  # KeyboardInterrupt would end the relay, CancelledError its worker
        raise TransformFailed(_told(error)) from error


def _body_alone(made: Any) -> Request:
    if isinstance(made, bytes | str | dict | list):
        return Request(made)
    raise TransformFailed(
        f"the transform returned a {type(made).__name__}; it may return dict, list, str, bytes, Request or None"
    )


def _told(error: BaseException) -> str:
    """Say what was raised and on which line of the route's own code."""
    ours = Path(__file__).parent
    frames = [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).parent != ours]
    own = [frame for frame in frames if Path(frame.filename).parent == Path(frames[0].filename).parent]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name})" if own else ""
    return f"{told(error)}{place}"


def _outgoing(made: Request) -> Outgoing:
    if made.method not in _METHODS:
        raise TransformFailed(f"{made.method!r} is not a method; use POST, PUT, PATCH, DELETE or GET")
    body, content_type = _encode(made.body)
    if len(body) > _LARGEST:
        raise TransformFailed(f"the new body is over {_LARGEST >> 20} MiB")
    headers = {"content-type": content_type}
    if made.headers:
        headers |= {name.lower(): str(value) for name, value in made.headers.items()}
        check_headers(headers)
    return Outgoing(made.method, headers, body)


def _evaluated(expression: Expression, scope: Scope) -> Any:
    try:
        return expression.value(scope)
    except ExpressionFailed as error:
        raise TransformFailed(f"body: {error}") from error


def _encode(body: Any) -> tuple[bytes, str]:
    if isinstance(body, bytes | bytearray):
        return bytes(body), _BYTES
    try:
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        return _COMPACT.encode(body).encode(), "application/json"
    except UnicodeEncodeError as error:
        raise TransformFailed(f"the new body is not text: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise TransformFailed(f"the new body is not JSON: {error}") from error
