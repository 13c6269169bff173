"""The lines of a file target."""

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Steady, Wall
from relay.event import Delivery, Event, format_id
from relay.routing.transform import Outgoing
from relay.targets.file import line

NOW = 1_700_000_000.25
RAW = st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def delivery(*, attempts: int = 0, sender: str = "", kind: str = "push") -> Delivery:
    event = Event(5, format_id(5, 7), "hello", sender, kind, "k", "", Wall(NOW), {}, {}, b"")
    return Delivery(event, 0, "inbox", "inbox", attempts, Steady(NOW), 1)


def test_line_tells_the_delivery() -> None:
    """A line holds what a reader needs, with the exact text of the body."""
    text = line(
        delivery(attempts=2),
        Outgoing("", {"content-type": "application/json"}, '{"a": "ä"}'.encode()),
    )
    assert text.endswith(b"\n")
    assert json.loads(text) == {
        "id": format_id(5, 7),
        "route": "hello",
        "type": "push",
        "key": "k",
        "received": "2023-11-14T22:13:20.250+00:00",
        "attempt": 3,
        "headers": {"content-type": "application/json"},
        "body": '{"a": "ä"}',
    }


def test_line_names_a_sender() -> None:
    """On a route with several senders, the line says which one it was."""
    assert json.loads(line(delivery(sender="hue"), Outgoing("", {}, b"")))["sender"] == "hue"


@given(body=st.binary(max_size=200), header=RAW, kind=RAW)
def test_line_is_one_line_and_keeps_the_body(body: bytes, header: str, kind: str) -> None:
    """Whatever is delivered, it is one line of JSON, and the body can be had back to the byte."""
    text = line(delivery(kind=kind), Outgoing("", {"x-any": header}, body))
    assert text.count(b"\n") == 1
    record = json.loads(text)
    back = record["body"].encode() if "body" in record else base64.b64decode(record["body_base64"])
    assert back == body
