"""Records of a route: all that is derived from its fields."""

from typing import Any

import pytest

from relay.expression.cel import Expression
from relay.routing.measure import Kind, Measure
from relay.routing.route import Each, Forward, describe
from relay.verify.none import Unverified
from tests.unit.routing.routes import NeedsName, route

BODY, HEADER = Expression("body.a", "request"), Expression("headers.a", "request")
ALWAYS = Expression("true")
FROM_BODY = Expression("body.a")


def test_forward_is_found_by_its_name() -> None:
    inbox, chat = Forward("inbox", "inbox"), Forward("chat-2", "chat")
    assert route(inbox, chat).by_name == {"inbox": inbox, "chat-2": chat}


def test_each_named_sender_has_a_path_of_its_own() -> None:
    """A route without named senders has its own path alone."""
    assert route().paths == {"/in/hello": ""}
    named = {"hue": Unverified(), "vinh": Unverified()}
    assert route(schemes=named).paths == {"/in/hello/hue": "hue", "/in/hello/vinh": "vinh"}


@pytest.mark.parametrize(
    "fields",
    [
        {"validator": NeedsName()},
        {"id": BODY},
        {"type": BODY},
        {"key": BODY},
        {"id": HEADER, "key": BODY, "by_default": frozenset({"id"})},
        {"authorize": Expression("body.a == 1", "verified")},
        {"forwards": (Forward("f", "chat", when=FROM_BODY),)},
        {"forwards": (Forward("f", "chat", body=FROM_BODY),)},
        {"forwards": (Forward("f", "chat", headers=(("x-a", FROM_BODY),)),)},
        {"forwards": (Forward("f", Each(FROM_BODY, Expression("item", "item"))),)},
        {"forwards": (Forward("f", Each(Expression("['a']"), Expression("body.a", "item"))),)},
    ],
)
def test_body_must_be_json_where_the_author_reads_it(fields: dict[str, Any]) -> None:
    hello = route(**fields)
    assert hello.reads_json
    assert hello.tries_json


@pytest.mark.parametrize(
    "fields",
    [
        {"id": BODY, "by_default": frozenset({"id", "key"})},
        {"forwards": (Forward("f", "chat", transform=lambda event: event.body),)},
        {"measures": (Measure("n_total", Kind.COUNTER, value=FROM_BODY),)},
        {"measures": (Measure("n_total", Kind.COUNTER, labels=(("a", FROM_BODY),)),)},
    ],
)
def test_body_is_decoded_if_it_can_be_where_nothing_depends_on_it(fields: dict[str, Any]) -> None:
    """A scheme's default, a transform, a metric: a body that is no JSON is taken all the same."""
    hello = route(**fields)
    assert not hello.reads_json
    assert hello.tries_json


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"id": HEADER, "forwards": (Forward("f", "chat", when=ALWAYS),)},
        {"measures": (Measure("n_total", Kind.COUNTER),)},
    ],
)
def test_body_is_left_alone_where_nobody_reads_it(fields: dict[str, Any]) -> None:
    hello = route(**fields)
    assert not hello.reads_json
    assert not hello.tries_json


def test_route_is_described_by_the_words_of_its_file() -> None:
    partners = Each(Expression("body.partners"), Expression("item", "item"))
    hello = route(Forward("inbox", "inbox", ordered=True), Forward("each", partners, when=ALWAYS))
    assert describe(hello) == {
        "route": "hello",
        "paths": ["/in/hello"],
        "senders": [],
        "scheme": "none",
        "forwards": [
            {"name": "inbox", "to": "inbox", "when": "", "ordered": True},
            {"name": "each", "to": "each body.partners", "when": "true", "ordered": False},
        ],
    }
