"""Plain expressions that Python answers: never otherwise than CEL."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.errors import ExpressionFailed
from relay.expression.cel import Expression, Scope
from relay.expression.path import NothingThere, compile_path

KEYS = ["a", "b", "c"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-3, 3)
    | st.sampled_from(["", "a", "1", "true", "ấ"])
)
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from([".a", ".b", ".c", '["a"]', '["b"]', '["c d"]']), max_size=3).map(
    lambda steps: "body" + "".join(steps)
)
LITERALS = st.sampled_from(
    ["0", "1", "-2", "true", "false", '"a"', "'a'", '"1"', "'true'", '""', '"ấ"']
)
COMPARED = st.tuples(PATHS, st.sampled_from([" == ", "!=", " ==", "!= "]), LITERALS).map("".join)
FAILED = object()


def by_cel(expression: Expression, scope: Scope) -> Any:
    """Return its value by CEL, or FAILED."""
    try:
        return scope.evaluate(expression._compiled)
    except ExpressionFailed:
        return FAILED


@given(BODIES, PATHS | COMPARED)
# To Python, true is 1 and false 0.
@example(body=True, source="body == 1")
@example(body={"a": 0}, source="body.a != false")
@example(body={"a": 1.0}, source="body.a == 1")
def test_answer_is_cels(body: Any, source: str) -> None:
    """Whatever the body: the same value of the same type, and an error where CEL has one."""
    answer = compile_path(source)
    assert answer is not None
    values = {"body": body, "headers": {}, "query": {}}
    expected = by_cel(Expression(source), Scope(values))
    try:
        value = answer(values)
    except NothingThere:
        # Nothing there; or a map or list, which CEL gives, or finds unlike any literal.
        unlike = expected is ("!=" in source)
        assert expected is FAILED or isinstance(expected, dict | list) or unlike
    else:
        assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('headers["x-github-event"]', "push"),
        ('event.type == "push"', True),
        ("event.type != 'push'", False),
        ("event.type", "push"),
        ("query.q", "1"),
        ("item == 7", True),
        ("body.a.b", 2),
    ],
)
def test_plain_expressions_are_answered(source: str, value: object) -> None:
    """Headers, query, the event's own and an item, beside the body."""
    scope = Scope(
        {
            "body": {"a": {"b": 2}},
            "headers": {"x-github-event": "push"},
            "query": {"q": "1"},
            "event.type": "push",
            "item": 7,
        }
    )
    assert Expression(source, "item").value(scope) == value
    assert compile_path(source) is not None


@pytest.mark.parametrize(
    "source",
    [
        "body.a + 1",
        "size(body.a)",
        'body.a == "x" && true',
        "body.a == body.b",
        'body.a == "\\n"',
        "body.a[0]",
        "!body.a",
        "body.a == 1.0",
        "has(body.a)",
        "body.a == 01",
        "1 == body.a",
        "body.a == 1u",
        "body.a == null",
        "event.x.y",
    ],
)
def test_anything_else_is_left_to_cel(source: str) -> None:
    """Operators, functions, indexes, escapes, doubles: only paths and comparisons are plain."""
    assert compile_path(source) is None
