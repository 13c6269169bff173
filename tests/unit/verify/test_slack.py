"""Slack's own rules: the challenge of a new URL, and where an event's type stands."""

from typing import Any

import pytest

from relay.expression.cel import Expression, Scope
from relay.verify.slack import Slack

SCHEME = Slack([b"secret"])


@pytest.mark.parametrize(
    ("challenge", "body"),
    [
        ("3eZbrw1a", b'{"challenge": "3eZbrw1a"}'),
        ('"}', b'{"challenge": "\\"}"}'),
        (1, b'{"challenge": "1"}'),
    ],
)
def test_challenge_is_answered(challenge: Any, body: bytes) -> None:
    """`url_verification` is answered with its challenge, as JSON text whatever it holds."""
    answer = SCHEME.handshake({"type": "url_verification", "challenge": challenge})
    assert answer is not None
    assert (answer.body, answer.content_type) == (body, "application/json")


@pytest.mark.parametrize(
    "value",
    [{"type": "event_callback", "challenge": "c"}, {"challenge": "c"}, ["url_verification"], None],
)
def test_other_bodies_are_events(value: Any) -> None:
    """A challenge without the type, or the type elsewhere, is no handshake."""
    assert SCHEME.handshake(value) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "event_callback", "event": {"type": "message"}}, "message"),
        ({"type": "block_actions"}, "block_actions"),
        ({"event": {}}, ""),
    ],
)
def test_type_is_that_of_the_event_inside(body: Any, expected: str) -> None:
    """Events API bodies wrap the event; interactive ones do not."""
    scope = Scope({"body": body, "headers": {}, "query": {}})
    assert Expression(SCHEME.defaults.type, "request").value(scope) == expected
