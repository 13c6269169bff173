"""An event as a line of JSON Lines: one line whatever the body, and its body unharmed."""

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.admin.export import line, lines
from relay.clock import Wall
from relay.event import Event, format_id

FACTS = {"id", "route", "sender", "type", "key", "dedupe_id", "received", "headers"}


def event(body: bytes, **headers: str) -> Event:
    return Event(
        1, format_id(1, 2), "places", "hue", "raised", "k", "d", Wall(1795420800.25),
        {name.replace("_", "-"): text for name, text in headers.items()}, {}, body,
    )  # fmt: skip


def read(body: bytes, **headers: str) -> dict[str, Any]:
    text = line(event(body, **headers), 1 << 20)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    assert b"\r" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_line_has_the_events_facts() -> None:
    """All of them, by the names that expressions use; the time is RFC 3339 in UTC."""
    told = read(b"{}", x_kind="a")
    assert told == {
        "id": format_id(1, 2), "route": "places", "sender": "hue", "type": "raised", "key": "k",
        "dedupe_id": "d", "received": "2026-11-23T08:00:00.250+00:00", "headers": {"x-kind": "a"},
        "body": {},
    }  # fmt: skip


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(value=VALUE, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_json_comes_out_as_the_value_that_came(
    value: Any, indent: int | None, *, ascii_only: bool
) -> None:
    """A body comes out with the same value, on one line, however it was laid out."""
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).replace("\n", "\r\n").encode()
    assert read(body)["body"] == value


def test_numbers_keep_every_digit() -> None:
    """A number that a double can't hold is not rounded on the way."""
    body = b'{"n": 12345678901234567890123, "m": 1.10, "e": 1E2}'
    assert body in line(event(body), 1 << 20)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain\ntext",
        b"{",
        b'{"a": 1, "a": 2}',
        b"NaN",
        '"\ud800"'.encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_no_json_is_text_or_base64(body: bytes) -> None:
    """The very bytes can be had back."""
    told = read(body)
    assert told.keys() - FACTS <= {"body_text", "body_base64"}
    text = told.get("body_text")
    assert (base64.b64decode(told["body_base64"]) if text is None else text.encode()) == body


def test_compressed_body_is_what_is_inside() -> None:
    """But what can't be decompressed within the limit stays as it came."""
    packed = gzip.compress(b'{"a": "' + b"x" * 1000 + b'"}')
    assert read(packed, content_encoding="gzip")["body"] == {"a": "x" * 1000}
    told = json.loads(line(event(packed, content_encoding="gzip"), 100))
    assert base64.b64decode(told["body_base64"]) == packed


def test_header_that_is_no_text_does_not_break_the_line() -> None:
    """Half a character is replaced."""
    assert read(b"{}", x_name="a\udcff")["headers"] == {"x-name": "a?"}


def test_lines_ask_for_each_routes_limit() -> None:
    """One line an event."""
    asked: list[str] = []

    def limit(route: str) -> int:
        asked.append(route)
        return 1

    text = lines([event(b"{}"), event(b"[]")], limit)
    assert [json.loads(one)["body"] for one in text.splitlines()] == [{}, []]
    assert asked == ["places", "places"]
