"""Deliveries' requests: the bytes as they came, or a new body, and its headers."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from relay import Event, Request
from relay.errors import TransformFailed
from relay.expression.cel import Expression
from relay.routing.route import Forward
from relay.routing.transform import Outgoing, prepare
from tests.unit.routing.routes import NeedsName, event, route

Transform = Callable[[Event], Any]


def transformed(transform: Transform, raw: bytes = b"{}", **options: Any) -> Outgoing | None:
    forward = Forward("chat", "chat", transform=transform)
    return prepare(
        route(forward, **options), forward, event(raw, {"content-type": "application/json"})
    )


@given(body=st.binary(max_size=200))
def test_without_transform_the_very_bytes_go_out(body: bytes) -> None:
    """The body goes out to the byte, with the sender's headers, its signature included."""
    forward = Forward("inbox", "inbox")
    headers = {
        "content-type": "text/x",
        "x-hub-signature-256": "sha256=00",
        "content-encoding": "gzip",
    }
    assert prepare(route(forward), forward, event(body, headers)) == Outgoing("", headers, body)


@pytest.mark.parametrize(
    "name",
    [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "relay-route",
        "relay-attempt",
        "accept-encoding",
    ],
)
def test_what_the_relay_sets_itself_is_not_passed_on(name: str) -> None:
    """A sender's own `webhook-…` headers make way for the relay's."""
    forward = Forward("inbox", "inbox")
    assert prepare(route(forward), forward, event(b"", {name: "x", "x-a": "1"})) == Outgoing(
        "", {"x-a": "1"}, b""
    )


@pytest.mark.parametrize(
    ("result", "body", "content_type"),
    [
        ({"a": "ä"}, '{"a":"ä"}'.encode(), "application/json"),
        ([1, None], b"[1,null]", "application/json"),
        ("text ä", "text ä".encode(), "text/plain; charset=utf-8"),
        (b"\xff", b"\xff", "application/octet-stream"),
        (Request({"a": 1}), b'{"a":1}', "application/json"),
        (Request(None), b"null", "application/json"),
        (Request(5), b"5", "application/json"),
        (Request("x", {"Content-Type": "text/csv"}), b"x", "text/csv"),
        ({}, b"{}", "application/json"),
        ("", b"", "text/plain; charset=utf-8"),
    ],
)
def test_transform_may_return_many_things(result: Any, body: bytes, content_type: str) -> None:
    """Dict and list go out as JSON, text as UTF-8, bytes as they are; a Request says more."""
    outgoing = transformed(lambda _: result)
    assert outgoing == Outgoing("", {"content-type": content_type}, body)


def test_request_names_method_and_headers() -> None:
    """A Request's method and headers go out; names in lower case, values as text."""
    outgoing = transformed(lambda _: Request("x", {"X-Kind": "push", "x-n": 5}, "PUT"))  # type: ignore[dict-item]  # a route's code may be careless
    assert outgoing is not None
    assert outgoing.method == "PUT"
    assert outgoing.headers == {
        "x-kind": "push",
        "x-n": "5",
        "content-type": "text/plain; charset=utf-8",
    }


def test_transform_that_returns_none_drops() -> None:
    """None says that there is nothing to send."""
    assert transformed(lambda _: None) is None


@pytest.mark.parametrize("result", [5, 1.5, True, object(), {1, 2}, (1, 2)], ids=repr)
def test_transform_that_returns_something_else_fails(result: Any) -> None:
    """The fault names the type of any other result, and the types that there may be."""
    with pytest.raises(
        TransformFailed, match=f"returned a {type(result).__name__}; it may return dict"
    ):
        transformed(lambda _: result)


def _raises_deep(_: Event) -> Any:
    return json.loads("{")


def _divides(event: Event) -> Any:
    return {"share": 1 / len(event.body)}


def test_transform_that_raises_tells_its_own_line() -> None:
    """An error is told with file, line and function of the route's code."""
    line = _divides.__code__.co_firstlineno + 1
    with pytest.raises(
        TransformFailed, match=rf"ZeroDivisionError: .* \(test_transform\.py:{line} in _divides\)"
    ):
        transformed(_divides)


def test_transform_that_raises_inside_a_library_tells_its_own_line() -> None:
    """The line told is the route's, not the library's that it called."""
    line = _raises_deep.__code__.co_firstlineno + 1
    with pytest.raises(TransformFailed, match=rf"\(test_transform\.py:{line} in _raises_deep\)"):
        transformed(_raises_deep)


@pytest.mark.parametrize(
    "error", [RecursionError, SystemExit, AssertionError, UnicodeError, MemoryError]
)
def test_whatever_a_transform_raises_only_its_delivery_pays(error: type[BaseException]) -> None:
    """Also `sys.exit()` in a route's code is that delivery's failure, not the relay's end."""

    def raises(_: Event) -> Any:
        raise error

    with pytest.raises(TransformFailed, match=error.__name__):
        transformed(raises)


def test_transform_sees_the_validated_payload() -> None:
    """`event.body` is the validator's value, of the stored bytes."""
    seen: list[Any] = []
    transformed(lambda event: seen.append(event.body), b'{"name": "Lan"}', validator=NeedsName())
    assert seen == [{"checked": "Lan"}]


def test_transform_sees_the_bytes_of_a_body_that_is_no_json() -> None:
    """Where only a transform may want the value, any body is taken; it is at hand as bytes."""
    seen: list[Any] = []
    transformed(lambda event: seen.extend([event.body, event.raw]), b"\xff")
    assert seen == [None, b"\xff"]


def test_body_that_became_invalid_fails_the_transform() -> None:
    """If the model changed since the event was accepted, its delivery is dead and says where."""
    with pytest.raises(TransformFailed, match="name: is missing"):
        transformed(lambda _: {}, b'{"no": 1}', validator=NeedsName())


@pytest.mark.parametrize(
    "result",
    [
        float("nan"),
        float("inf"),
        {"deep": [float("-inf")]},
        {"text": "NaN", "n": float("nan")},
        {"a": object()},
        {"a": b"\xff"},
        "\ud800",
        {"a": "\ud800"},
    ],
    ids=ascii,
)
def test_new_body_that_is_no_json_fails(result: Any) -> None:
    """NaN, bytes that are no text, lone surrogates: transform_failed, and no other exception."""
    with pytest.raises(TransformFailed):
        transformed(lambda _: Request(result))


class Order(BaseModel):
    """Values that a route's own model may hold."""

    at: datetime
    id: UUID
    total: Decimal


def test_new_body_may_hold_what_pydantic_writes() -> None:
    """A model is sent as pydantic writes it; text that only looks like no number is text."""
    order = Order(at=datetime(2026, 11, 24, 9, tzinfo=UTC), id=UUID(int=7), total=Decimal("1.10"))
    outgoing = transformed(lambda _: {"order": order, "at": order.at, "text": "NaN or Infinity"})
    assert outgoing is not None
    written = {
        "at": "2026-11-24T09:00:00Z",
        "id": "00000000-0000-0000-0000-000000000007",
        "total": "1.10",
    }
    assert json.loads(outgoing.body) == {
        "order": written,
        "at": written["at"],
        "text": "NaN or Infinity",
    }


def test_new_body_that_holds_itself_fails() -> None:
    """A body without end is no body."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TransformFailed, match="not JSON"):
        transformed(lambda _: endless)


@pytest.mark.parametrize(
    "name",
    [
        "x kind",
        "",
        "x:kind",
        "x\r\ny",
        "x\0",
        "ä",
        "content-length",
        "Transfer-Encoding",
        "host",
        "connection",
        "te",
        "upgrade",
        "cookie",
        "expect",
        "trailer",
        "keep-alive",
        "proxy-authorization",
    ],
    ids=ascii,
)
def test_header_names_that_break_the_request_fail(name: str) -> None:
    """Neither a name that is no token nor one that frames the request leaves the relay."""
    with pytest.raises(TransformFailed, match="can't be sent"):
        transformed(lambda _: Request("x", {name: "chunked"}))


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\n", "\0", "a\x7f", "\x1b[0m"], ids=ascii)
def test_header_values_with_control_characters_fail(value: str) -> None:
    """A value can't end its line."""
    with pytest.raises(TransformFailed, match="control characters"):
        transformed(lambda _: Request("x", {"x-kind": value}))


@pytest.mark.parametrize("value", ["\ud800", "tab\tis fine", "ä"], ids=ascii)
def test_odd_header_values_fail_or_can_be_sent(value: str) -> None:
    """A value that goes out can be written as UTF-8; one that can't fails the transform."""
    try:
        outgoing = transformed(lambda _: Request("x", {"x-kind": value}))
    except TransformFailed:
        return
    assert outgoing is not None
    assert outgoing.headers["x-kind"].encode() == value.encode()


@pytest.mark.parametrize(
    "method", ["GET /", "POST\r\n", "PO ST", "\0", "TRACE", "CONNECT", "get"], ids=ascii
)
def test_method_that_is_no_method_fails(method: str) -> None:
    """A Request's method is one that a target may have: POST, PUT or PATCH."""
    with pytest.raises(TransformFailed, match="method"):
        transformed(lambda _: Request("x", method=method))


def test_authorization_of_the_routes_own_is_sent() -> None:
    """A transform may set `authorization`: that is its own decision, not the sender's header."""
    outgoing = transformed(lambda _: Request("x", {"Authorization": "Bearer own"}))
    assert outgoing is not None
    assert outgoing.headers["authorization"] == "Bearer own"


def test_body_expression_makes_the_body() -> None:
    """A body expression's value goes out as JSON, without any of the sender's headers."""
    forward = Forward("chat", "chat", body=Expression('{"who": body.name, "what": event.type}'))
    outgoing = prepare(route(forward), forward, event(b'{"name": "Lan"}', {"x-secret": "1"}))
    assert outgoing is not None
    assert json.loads(outgoing.body) == {"who": "Lan", "what": "push"}
    assert outgoing.headers == {"content-type": "application/json"}


@pytest.mark.parametrize("source", ["body.missing", "1.0 / 0.0", '{"a": 1.0 / 0.0}'])
def test_body_expression_without_a_json_value_fails(source: str) -> None:
    """An expression without a value, or with none that JSON knows, is transform_failed."""
    forward = Forward("chat", "chat", body=Expression(source))
    with pytest.raises(TransformFailed):
        prepare(route(forward), forward, event())


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("b'x'", b"x"),
        ("'Huế'", "Huế".encode()),
        ('{"at": event.received}', b'{"at":"2023-11-14T22:13:20Z"}'),
        ("[duration('90s'), 1.5, null]", b'["PT1M30S",1.5,null]'),
    ],
)
def test_body_expression_is_sent_as_its_type_says(source: str, body: bytes) -> None:
    """Bytes as bytes, text as text, all else as JSON; times and durations as ISO 8601 texts."""
    forward = Forward("chat", "chat", body=Expression(source))
    outgoing = prepare(route(forward), forward, event())
    assert outgoing is not None
    assert outgoing.body == body


def test_header_expressions_add_to_the_senders_headers() -> None:
    """Headers alone leave the body and the sender's end-to-end headers as they were."""
    forward = Forward("inbox", "inbox", headers=(("x-kind", Expression("event.type")),))
    outgoing = prepare(
        route(forward), forward, event(b'{ "a":1 }', {"content-type": "application/json"})
    )
    assert outgoing == Outgoing(
        "", {"content-type": "application/json", "x-kind": "push"}, b'{ "a":1 }'
    )


def test_header_expression_wins_over_the_transforms() -> None:
    """The route's file has the last word on a header."""
    forward = Forward(
        "chat",
        "chat",
        transform=lambda _: Request("x", {"x-kind": "t"}),
        headers=(("x-kind", Expression("'f'")),),
    )
    outgoing = prepare(route(forward), forward, event())
    assert outgoing is not None
    assert outgoing.headers["x-kind"] == "f"


def test_header_expression_without_a_value_fails() -> None:
    """A header that can't be computed is told by its name."""
    forward = Forward("inbox", "inbox", headers=(("x-kind", Expression("body.missing")),))
    with pytest.raises(TransformFailed, match="x-kind"):
        prepare(route(forward), forward, event())


def test_header_expression_cannot_end_its_line() -> None:
    """A sender's text in a body can't become a header of its own."""
    forward = Forward("inbox", "inbox", headers=(("x-kind", Expression("body.kind")),))
    with pytest.raises(TransformFailed, match="control characters"):
        prepare(route(forward), forward, event(b'{"kind": "a\\r\\nx-evil: 1"}'))


def test_gzipped_body_is_read_by_expressions_and_goes_out_as_it_came() -> None:
    """Expressions see the plain body; the compressed bytes go out with their header."""
    zipped = gzip.compress(b'{"name": "Lan"}')
    forward = Forward("inbox", "inbox", headers=(("x-name", Expression("body.name")),))
    outgoing = prepare(route(forward), forward, event(zipped, {"content-encoding": "gzip"}))
    assert outgoing is not None
    assert outgoing.body == zipped
    assert outgoing.headers["x-name"] == "Lan"
    assert outgoing.headers["content-encoding"] == "gzip"


def test_body_at_hand_is_not_read_again() -> None:
    """A transform that comes soon gets it as it is: these bytes would not even be JSON."""
    forward = Forward("hook", "hook", transform=lambda event: event.body)
    outgoing = prepare(route(forward), forward, event(b"not JSON"), {"name": "Lan"})
    assert outgoing == Outgoing("", {"content-type": "application/json"}, b'{"name":"Lan"}')
