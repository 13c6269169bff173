"""CEL: faults with their place at load; values or ExpressionFailed at run time."""

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay import Event
from relay.clock import Wall
from relay.errors import ExpressionFailed, Rejected
from relay.expression.cel import Expression, ExpressionInvalid, Scope, variables
from relay.routing.body import decode_json

NOW = Wall(1_700_000_000.0)
EVENT = {f"event.{name}": name for name in ("id", "type", "key", "dedupe_id", "route", "sender")}


def scope(body: Any = None, **headers: str) -> Scope:
    return Scope({"body": body, "headers": headers, "query": {"q": "1"}} | EVENT)


def value(source: str, body: Any = None, **headers: str) -> Any:
    return Expression(source).value(scope(body, **headers))


def text(source: str, body: Any = None) -> str:
    return Expression(source).text(scope(body))


@pytest.mark.parametrize(
    ("source", "line", "column", "fault"),
    [
        ("body.a ==", 1, 10, "mismatched input"),
        ("body.a = 1", 1, 8, "token recognition error"),
        ("body.\n  a >> 1", 2, 6, "extraneous input"),
        ("", 1, 1, "mismatched input"),
        ("bdoy", 1, 1, "undeclared reference to 'bdoy'"),
        ("body.a == 1 && evnt.type == 'x'", 1, 20, "undeclared reference"),
        ("event.tpye == 'x'", 1, 6, "undeclared reference"),
        ("1 + 'a'", 1, 3, "no matching overload"),
        ("nosuch(body)", 1, 7, "undeclared reference to 'nosuch'"),
        ("headers == 1", 1, 9, "no matching overload"),
    ],
)
def test_fault_is_told_with_its_place(source: str, line: int, column: int, fault: str) -> None:
    """A fault has its line and column inside the expression, from 1."""
    with pytest.raises(ExpressionInvalid, match=fault) as caught:
        Expression(source)
    assert (caught.value.line, caught.value.column) == (line, column)


@given(source=st.text(max_size=40))
def test_any_text_compiles_or_is_invalid(source: str) -> None:
    """Whatever stands in a file, the compiler says so or takes it."""
    fault: ExpressionInvalid | None = None
    try:
        Expression(source)
    except ExpressionInvalid as error:
        fault = error
    assert fault is None or (str(fault) and fault.line >= 1 and fault.column >= 1)


@pytest.mark.parametrize(
    ("source", "given_scope", "known"),
    [
        ("event.type", "request", False),
        ("event.type", "event", True),
        ("event.type", "item", True),
        ("event.sender + event.route + event.type + event.key + event.dedupe_id", "verified", True),
        ("event.id", "verified", False),
        ("event.received", "verified", False),
        ("item", "request", False),
        ("item", "event", False),
        ("item", "item", True),
        ("body.x", "request", True),
        ("headers['x'] + query['y']", "request", True),
        ("event.received", "event", True),
        ("event", "event", False),
        ("payload", "event", False),
    ],
)
def test_scopes_know_their_variables(source: str, given_scope: str, *, known: bool) -> None:
    """Forwards see the event, `authorize` its facts; only a recipient list sees an item."""
    if known:
        Expression(source, given_scope)
    else:
        with pytest.raises(ExpressionInvalid, match="undeclared reference"):
            Expression(source, given_scope)


@pytest.mark.parametrize(
    ("source", "types", "fits"),
    [
        ("event.type == 'x'", ("BOOL",), True),
        ("event.type", ("BOOL",), False),
        ("event.type", ("STRING",), True),
        ("size(headers)", ("INT",), True),
        ("1.5", ("DOUBLE",), True),
        ("[1]", ("LIST",), True),
        ("headers", ("LIST",), False),
        ("body.anything", ("BOOL",), True),
        ("body", ("LIST",), True),
        ("null", ("NULL",), True),
    ],
)
def test_static_types_are_known(source: str, types: tuple[str, ...], *, fits: bool) -> None:
    """A wrong type is known before the first event; one that hangs on the body fits anything."""
    assert Expression(source).returns(*types) is fits


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("body.ref == 'refs/heads/main'", True),
        ("body.n + 1", 43),
        ("body.list[1]", "b"),
        ("size(body.list)", 3),
        ("body.list.exists(x, x == 'c')", True),
        ("body.list.map(x, x + '!')", ["a!", "b!", "c!"]),
        ("body.name.startsWith('Kh')", True),
        ("has(body.nothing)", False),
        ("has(body.nested.deep)", True),
        ("'x-kind' in headers", True),
        ("headers['x-kind']", "push"),
        ("query['q']", "1"),
        ("event.id + '/' + event.sender", "id/sender"),
        ("body.none == null", True),
        ("{'a': [body.n, body.half, body.yes, body.none]}", {"a": [42, 1.5, True, None]}),
        ("body.name.upperAscii()", "KHáNH HòA"),
        ("body['with space']", 1),
        ("body.n > 41.5", True),
        ("body.name.matches('^K.*a$')", True),
    ],
)
def test_values_are_plain(source: str, expected: Any) -> None:
    """The result is a plain Python value, text with its accents."""
    body = {
        "ref": "refs/heads/main",
        "n": 42,
        "half": 1.5,
        "yes": True,
        "none": None,
        "list": ["a", "b", "c"],
        "name": "Khánh Hòa",
        "nested": {"deep": 1},
        "with space": 1,
    }
    assert value(source, body, **{"x-kind": "push"}) == expected


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("body.missing", {}),
        ("body.a.b", {"a": {}}),
        ("body.a.b", {"a": 1}),
        ("body.a", []),
        ("body.a", None),
        ("body.list[5]", {"list": [1]}),
        ("headers['x-missing']", {}),
        ("query['missing'] == 'x'", {}),
        ("body.a + 1", {"a": "text"}),
        ("body.a / 0", {"a": 1}),
        ("int(body.a)", {"a": "x"}),
        ("body.a > 1", {"a": "x"}),
        ("body.a && true", {"a": 1}),
        ("body.a * 9223372036854775807", {"a": 3}),
        ("body.matches('x')", {}),
    ],
)
def test_what_has_no_value_fails_calmly(source: str, body: Any) -> None:
    """A missing key, a wrong type, an overflow: ExpressionFailed and no other exception."""
    with pytest.raises(ExpressionFailed) as caught:
        value(source, body)
    assert str(caught.value).strip()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(body=JSON)
def test_any_body_gives_a_value_or_fails(body: Any) -> None:
    """Whatever a body holds, an expression over it has a value or ExpressionFailed."""
    for source in ("body", "body.a", "size(body)", "body == 1", "{'copy': body}"):
        try:
            value(source, body)
        except ExpressionFailed:
            continue


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@given(body=SMALL)
@example(body={"\ufdd0": None, "\0": "a\0\ufdd1"})
def test_body_goes_through_unchanged(body: Any) -> None:
    """A body that is handed through comes out equal; only the order of a map's keys is free."""
    assert value("body", body) == body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"ref\\u0000x": "evil"}', {"has(body.ref)": False}),
        (b'{"ref": "main\\u0000x"}', {"body.ref == 'main'": False}),
        (b'{"ref": "main\\u0000x"}', {"size(body.ref)": 6}),
        (b'{"ref": "main\\u0000x"}', {"body.ref": "main\0x"}),
    ],
    ids=["key", "compared", "measured", "copied"],
)
def test_text_with_a_nul_is_never_cut_short(body: bytes, expected: dict[str, Any]) -> None:
    """Text with a NUL is refused as JSON, or fails the expression, or is whole: never cut."""
    try:
        decoded = decode_json(body)
        values = {source: value(source, decoded) for source in expected}
    except (Rejected, ExpressionFailed):
        return
    assert values == expected


def test_query_with_a_nul_is_never_cut_short() -> None:
    """The same of a query: `?ref=main%00x` is not `main`."""
    scope = Scope({"body": None, "headers": {}, "query": {"ref": "main\0x"}})
    try:
        answer = Expression("query['ref'] == 'main'", "request").value(scope)
    except ExpressionFailed:
        return
    assert answer is False


@pytest.mark.parametrize(
    "number", [2**63, -(2**63) - 1, 10**30, -(10**400)], ids=["above", "below", "large", "huge"]
)
def test_integers_beyond_64_bits_read_as_doubles(number: int) -> None:
    """JSON's numbers have no limit, CEL's have: a large one is a double, its neighbours stay."""
    body = {"large": number, "list": [number], "other": "kept", "small": 2**53 + 1}
    infinite = math.inf if number > 0 else -math.inf
    expected = float(number) if abs(number) < 10**308 else infinite
    assert value("body.large", body) == expected
    assert value("body.list[0]", body) == expected
    assert value("body.other", body) == "kept"
    assert value("body.small", body) == 2**53 + 1
    assert value("body.large > 0.0", body) is (number > 0)


def test_large_integers_are_read_once_for_all_expressions() -> None:
    """After one expression met a large number, the next on the same scope see the same body."""
    shared = scope({"large": 2**70, "a": 1})
    assert Expression("body.large").value(shared) == float(2**70)
    assert Expression("body.a").value(shared) == 1
    with pytest.raises(ExpressionFailed):
        Expression("body.missing").value(shared)


@pytest.mark.parametrize(
    ("source", "body", "expected"),
    [
        ("body", "text", "text"),
        ("body", 42, "42"),
        ("body", -1.5, "-1.5"),
        ("body", True, "true"),
        ("body", False, "false"),
        ("body", None, ""),
        ("body", "", ""),
        ("1 == 1", None, "true"),
        ("body", 2**53, "9007199254740992"),
    ],
)
def test_text_is_as_json_writes_it(source: str, body: Any, expected: str) -> None:
    """Numbers and booleans become the text that JSON has for them, null becomes nothing."""
    assert text(source, body) == expected


@pytest.mark.parametrize("body", [[], {}, [1], {"a": 1}])
def test_text_of_a_list_or_map_fails(body: Any) -> None:
    """A list or map is no text, and is told by the expression's own words."""
    with pytest.raises(ExpressionFailed, match="text is needed"):
        text("body", body)


def test_item_is_seen_in_a_widened_scope() -> None:
    """A recipient list's expression sees the item, too; the outer scope stays as it was."""
    outer = scope({"prefix": "to-"})
    expression = Expression("body.prefix + item + '-' + event.route", "item")
    assert expression.text(outer.widened({"item": "hue"})) == "to-hue-route"
    assert expression.text(outer.widened({"item": "vinh"})) == "to-vinh-route"
    with pytest.raises(ExpressionFailed):
        expression.value(outer)


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("body.a", True),
        ("event.type", False),
        ("headers['body-kind']", False),
        ("'somebody'", False),
        ("has(body.a)", True),
        ("query['body']", False),
    ],
)
def test_expression_knows_whether_it_reads_the_body(source: str, *, reads: bool) -> None:
    """Only an expression over the body makes a route decode it; the word in a string does not."""
    assert Expression(source).uses_body is reads


@pytest.mark.parametrize(
    "source",
    ["body", "body.a", "[body.a, null, {'x': null}]", "body.list.map(x, x)", "body.a == null"],
)
def test_nulls_may_be_read_as_often_as_one_likes(source: str) -> None:
    """Each null took a reference from None: after some thousand events Python ended the process."""
    expression = Expression(source, "request")
    body = {"a": None, "list": [None, [None]], "map": {"b": None}}
    before = sys.getrefcount(None)
    for _ in range(2000):
        expression.value(Scope({"body": body, "headers": {}, "query": {}}))
    assert abs(sys.getrefcount(None) - before) < 1000


def test_event_values_are_what_expressions_know() -> None:
    """Each variable `event.…` of expressions has a value, and there is no other."""
    event = Event(1, "evt_1", "hello", "", "push", "k", "d", NOW, {}, {}, b"")
    scope = Scope({}).of(event)
    known = {name for name in variables("event") if name.startswith("event.")}
    assert {name for name in scope.values if name.startswith("event.")} == known - {
        "event.received"
    }
    assert Expression("event.received").value(scope).timestamp() == NOW
    assert Expression("event.received").value(scope.widened({"item": 1})).timestamp() == NOW


def test_time_of_acceptance_is_there_on_a_route_without_any_list() -> None:
    """In a new process, where no expression was compiled for the items of a list."""
    code = (
        "from relay.expression.cel import Expression, Scope;"
        "scope = Scope({'body': None, 'headers': {}, 'query': {}}, received_at=1.7e9);"
        "print(Expression('event.received').value(scope))"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed == "2023-11-14 22:13:20+00:00\n"
