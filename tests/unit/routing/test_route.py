"""The way of a request without network: check, choose, prepare."""

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from relay import Event, Request
from relay.errors import Rejected, RequestReason, TransformFailed
from relay.event import Owed
from relay.expression.cel import Expression, Scope, variables
from relay.routing.route import (
    Each,
    Filtered,
    Forward,
    ForwardOutcome,
    Route,
    Verified,
    check,
    choose,
)
from relay.routing.transform import Outgoing, prepare
from relay.verify import Basic, Handshake, Incoming, Scheme, Slack, Token, Unverified, github

NOW = 1_700_000_000.0
TARGETS = {"inbox": None, "chat": None, "partner-hue": None, "partner-vinh": None}
Transform = Callable[[Event], Any]


class NeedsName:
    """A validator that wants a name."""

    def validate(self, body: bytes, value: Any) -> Any:
        if not isinstance(value, dict) or "name" not in value:
            raise Rejected(
                RequestReason.INVALID,
                "the body is not what this route takes",
                where=(("name", "is missing"),),
            )
        return {"checked": value["name"]}


def route(*forwards: Forward, scheme: Scheme | None = None, **more: Any) -> Route:
    options: dict[str, Any] = {"reads_json": True} | more
    return Route(
        name="hello",
        path="/in/hello",
        schemes={"": scheme or Unverified()},
        forwards=forwards,
        by_name={forward.name: forward for forward in forwards},
        chosen={} if all(isinstance(forward.to, str) for forward in forwards) else None,
        **options,
    )


def checked(made: Route, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Verified:
    found = check(made, "", Incoming(headers or {}, body), {"q": "1"}, NOW)
    assert isinstance(found, Verified)
    return found


def rejection(
    made: Route, body: bytes = b"{}", headers: Mapping[str, str] | None = None
) -> Rejected:
    with pytest.raises(Rejected) as caught:
        checked(made, body, headers)
    return caught.value


def event(body: bytes = b"{}", headers: Mapping[str, str] | None = None, **more: Any) -> Event:
    facts: dict[str, Any] = {"type": "push", "key": "k", "dedupe_id": "d", "sender": ""} | more
    return Event(
        seq=1,
        id="evt_1",
        route="hello",
        received_at=NOW,
        headers=headers or {},
        query={"q": "1"},
        raw=body,
        **facts,
    )


def chosen(made: Route, body: Any = None, **more: Any) -> Filtered:
    plain = Scope({"body": body, "headers": {}, "query": {}})
    return choose(made, event(**more), plain, TARGETS)


def transformed(transform: Transform, body: bytes = b"{}", **options: Any) -> Outgoing | None:
    forward = Forward("chat", "chat", transform=transform)
    return prepare(
        route(forward, **options), forward, event(body, {"content-type": "application/json"})
    )


# --- check -------------------------------------------------------------------------------------------


def test_request_that_does_not_verify_is_refused_without_a_reason() -> None:
    """401 comes first, before the body is looked at, and tells a stranger nothing."""
    found = rejection(
        route(scheme=github([b"secret"])), b"not json", {"x-hub-signature-256": "sha256=00"}
    )
    assert found.reason is RequestReason.NOT_VERIFIED
    assert found.detail == "the request could not be verified"


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"{", {}, RequestReason.MALFORMED),
        (b"{}", {"content-type": "text/html"}, RequestReason.UNSUPPORTED_MEDIA_TYPE),
        (b"{}", {"content-encoding": "br"}, RequestReason.UNSUPPORTED_MEDIA_TYPE),
        (b"{}", {"content-encoding": "gzip"}, RequestReason.MALFORMED),
        (b"\x1f\x8b", {"content-encoding": "gzip"}, RequestReason.MALFORMED),
        (b'{"no": 1}', {}, RequestReason.INVALID),
    ],
)
def test_body_that_cannot_be_read_is_rejected(
    body: bytes, headers: dict[str, str], reason: RequestReason
) -> None:
    """Each fault of a body has its own reason."""
    assert rejection(route(validator=NeedsName()), body, headers).reason is reason


def test_invalid_body_tells_where() -> None:
    """A 422 lists the places."""
    assert rejection(route(validator=NeedsName())).where == (("name", "is missing"),)


def test_quarantine_keeps_what_is_verified_but_invalid() -> None:
    """On a route that quarantines, an invalid body is returned with the fault beside it."""
    found = checked(route(validator=NeedsName(), quarantines=True), b'{"no": 1}')
    assert found.invalid is not None
    assert found.invalid.reason is RequestReason.INVALID
    assert found.raw == b'{"no": 1}'


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a": 1, "a": 2}'])
def test_quarantine_does_not_keep_what_is_malformed(body: bytes) -> None:
    """What is not even JSON is malformed, on a route that quarantines too."""
    assert (
        rejection(route(validator=NeedsName(), quarantines=True), body).reason
        is RequestReason.MALFORMED
    )


def test_valid_body_gives_the_validators_payload() -> None:
    """Transforms see what the validator made of the body; expressions see the body itself."""
    found = checked(route(validator=NeedsName()), b'{"name": "Lan"}')
    assert found.body == {"checked": "Lan"}
    assert Expression("body.name", "request").value(found.scope) == "Lan"
    assert found.invalid is None


def test_validator_sees_the_decompressed_body() -> None:
    """A model reads the plain bytes, not those of the gzip around them."""

    class Model(BaseModel):
        name: str

    class ByBytes:
        def validate(self, body: bytes, value: Any) -> Any:
            return Model.model_validate_json(body)

    zipped = gzip.compress(b'{"name": "Lan"}')
    found = checked(route(validator=ByBytes()), zipped, {"content-encoding": "gzip"})
    assert found.body == Model(name="Lan")
    assert found.raw == zipped


@pytest.mark.parametrize(
    ("body", "value"), [(b'{"a": 1}', 1), (b"{", None), (b"\xff\xfe", None), (b"", None)]
)
def test_route_that_tries_json_takes_any_body(body: bytes, value: object) -> None:
    """Where only the scheme's defaults look into the body, a body that is no JSON is no fault."""
    made = route(reads_json=False, tries_json=True, key=Expression("body.a", "request"))
    assert checked(made, body, {"content-type": "text/html"}).key == (
        "" if value is None else str(value)
    )


def test_route_that_reads_no_json_leaves_the_body_alone() -> None:
    """Without anything that needs the body, it is not decoded at all."""
    found = checked(
        route(reads_json=False), b"{", {"content-type": "image/png", "content-encoding": "br"}
    )
    assert (found.raw, found.body) == (b"{", None)


def test_id_type_and_key_are_found() -> None:
    """The event's facts come from headers, query and body alike."""
    made = route(
        id=Expression('headers["x-id"]', "request"),
        type=Expression("body.kind", "request"),
        key=Expression("query['q']", "request"),
    )
    found = checked(made, b'{"kind": "push"}', {"x-id": "42"})
    assert (found.id, found.type, found.key) == ("42", "push", "1")


def test_fact_without_a_value_is_empty() -> None:
    """An id, type or key that an event doesn't have is '': such events are taken all the same."""
    made = route(
        id=Expression('headers["x-id"]', "request"), type=Expression("body.a.b", "request")
    )
    found = checked(made, b'{"a": [1]}')
    assert (found.id, found.type, found.key) == ("", "", "")


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "a\x01b", "a\x7fb"])
def test_facts_hold_no_control_characters(text: str) -> None:
    """Log lines and stores may rely on one line of text."""
    made = route(type=Expression("body.kind", "request"))
    found = checked(made, json.dumps({"kind": text}).encode())
    assert found.type == "a b"


def test_facts_have_a_longest_length() -> None:
    """A sender's text of a megabyte becomes a label of 512 characters."""
    made = route(type=Expression("body.kind", "request"))
    assert checked(made, json.dumps({"kind": "x" * 100_000}).encode()).type == "x" * 512


KEPT = {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot",
    "x-github-event": "push",
    "accept": "*/*",
}
DROPPED = [
    "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host", "expect",
    "proxy-authenticate", "proxy-authorization", "proxy-connection", "cookie", "authorization",
]  # fmt: skip


@pytest.mark.parametrize("name", DROPPED)
def test_framing_and_credentials_are_not_kept(name: str) -> None:
    """Hop-by-hop headers, framing, cookies and credentials are neither stored nor passed on."""
    assert checked(route(), headers={**KEPT, name: "close"}).headers == KEPT


@pytest.mark.parametrize(
    "listed", ["x-hop", "X-Hop", "keep-alive, x-hop", " x-hop ,close", "x-other,x-hop,"]
)
def test_what_connection_lists_is_not_kept(listed: str) -> None:
    """A header that `Connection` names is for this hop alone (RFC 9110 §7.6.1)."""
    assert checked(route(), headers={**KEPT, "connection": listed, "x-hop": "1"}).headers == KEPT


@pytest.mark.parametrize("connection", ["close", "keep-alive", "Keep-Alive", "", ",", "upgrade"])
def test_ordinary_connection_costs_nothing_else(connection: str) -> None:
    """The usual values of `Connection` take no other header with them."""
    assert checked(route(), headers={**KEPT, "connection": connection}).headers == KEPT


def test_header_with_control_characters_is_not_kept() -> None:
    """A target might read two out of it; one beside it with letters of any script is kept."""
    headers = {"x-bad": "a\x01b", "x-worse": "a\x7f", "x-name": "Nguyễn", "x-tab": "a\tb"}
    assert checked(route(), b"{}", headers).headers == {"x-name": "Nguyễn", "x-tab": "a\tb"}


def test_header_with_a_shared_secret_is_not_kept() -> None:
    """Whatever header the scheme reads a token from stays out of the store and out of deliveries."""
    token = route(scheme=Token([b"secret"], header="X-Gitlab-Token"))
    assert checked(token, headers={**KEPT, "x-gitlab-token": "secret"}).headers == KEPT
    basic = Basic([b"secret"], "relay")
    signed = basic.sign(b"", "", NOW).headers
    assert checked(route(scheme=basic), headers={**KEPT, **signed}).headers == KEPT


def test_handshake_is_answered_after_the_signature() -> None:
    """Slack's challenge is answered to who can sign, and to nobody else; it is no event."""
    scheme = Slack([b"secret"])
    body = b'{"type": "url_verification", "challenge": "3eZb"}'
    made = route(scheme=scheme)
    answer = check(made, "", Incoming(scheme.sign(body, "", NOW).headers, body), {}, NOW)
    assert isinstance(answer, Handshake)
    assert json.loads(answer.body) == {"challenge": "3eZb"}
    assert rejection(made, body).reason is RequestReason.NOT_VERIFIED


# --- choose ------------------------------------------------------------------------------------------


def test_forward_without_when_takes_everything() -> None:
    """Each such forward owes one delivery, in the file's order."""
    found = chosen(route(Forward("inbox", "inbox"), Forward("chat-2", "chat")))
    assert found.owed == (Owed("inbox", "inbox"), Owed("chat-2", "chat"))
    assert [outcome for _, _, outcome, _ in found.said] == [
        ForwardOutcome.OWED,
        ForwardOutcome.OWED,
    ]


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("event.type == 'push'", ForwardOutcome.OWED),
        ("event.type == 'tag'", ForwardOutcome.SKIPPED),
        (
            "event.key == 'k' && event.route == 'hello' && event.dedupe_id == 'd'",
            ForwardOutcome.OWED,
        ),
        ("event.received > timestamp('2020-01-01T00:00:00Z')", ForwardOutcome.OWED),
        ("body.missing == 1", ForwardOutcome.ERROR),
        ("body.text", ForwardOutcome.ERROR),
        ("body.one", ForwardOutcome.ERROR),
        ("body.none", ForwardOutcome.ERROR),
    ],
)
def test_when_says_yes_no_or_fails(when: str, outcome: ForwardOutcome) -> None:
    """True owes, false skips; what fails, or gives no boolean at run time, is an error and never a silent no."""
    found = chosen(
        route(Forward("chat", "chat", when=Expression(when))),
        body={"text": "yes", "one": 1, "none": None},
    )
    assert [said[2] for said in found.said] == [outcome]
    assert bool(found.owed) is (outcome is ForwardOutcome.OWED)
    assert bool(found.said[0][3]) is (outcome is ForwardOutcome.ERROR)


def test_forward_that_fails_hinders_no_other() -> None:
    """An error is told with its forward's name and target; the others owe what they owe."""
    found = chosen(
        route(Forward("chat", "chat", when=Expression("body.a > 1")), Forward("inbox", "inbox")),
        body={},
    )
    assert found.owed == (Owed("inbox", "inbox"),)
    assert found.said[0][:3] == ("chat", "chat", ForwardOutcome.ERROR)


EACH = Each(Expression("body.partners"), Expression('"partner-" + item', "item"))


@pytest.mark.parametrize(
    ("partners", "targets"),
    [
        (["hue"], ["partner-hue"]),
        (["vinh", "hue"], ["partner-vinh", "partner-hue"]),
        (["hue", "vinh", "hue", "hue"], ["partner-hue", "partner-vinh"]),
        ([], []),
    ],
)
def test_recipient_list_owes_one_delivery_each(partners: list[str], targets: list[str]) -> None:
    """One delivery an item, in the list's order; who is named twice gets one."""
    found = chosen(route(Forward("each", EACH)), body={"partners": partners})
    assert found.owed == tuple(Owed("each", target) for target in targets)


def test_empty_recipient_list_is_said() -> None:
    """An event that goes to nobody is counted, too: as skipped."""
    found = chosen(route(Forward("each", EACH)), body={"partners": []})
    assert [said[2] for said in found.said] == [ForwardOutcome.SKIPPED]


@pytest.mark.parametrize(
    "partners",
    [
        ["hue", "nowhere"],
        ["hue", 5],
        ["hue", None],
        "hue",
        None,
        {"hue": 1},
        5,
        [[]],
        ["hue"] * 10_001,
    ],
)
def test_recipient_list_that_names_no_target_is_an_error(partners: Any) -> None:
    """One unknown recipient makes the forward an error, as does a list made to keep the relay busy; nobody gets half of it."""
    found = chosen(
        route(Forward("each", EACH), Forward("inbox", "inbox")), body={"partners": partners}
    )
    assert found.owed == (Owed("inbox", "inbox"),)
    assert found.said[0][:3] == ("each", "", ForwardOutcome.ERROR)


@given(partners=st.lists(st.sampled_from(["hue", "vinh"])))
def test_nobody_gets_an_event_twice_from_one_forward(partners: list[str]) -> None:
    """However often a recipient is listed, it gets one delivery."""
    owed = chosen(route(Forward("each", EACH)), body={"partners": partners}).owed
    assert sorted(one.target for one in owed) == sorted(
        {f"partner-{partner}" for partner in partners}
    )


# --- prepare -----------------------------------------------------------------------------------------


@given(body=st.binary(max_size=200))
def test_without_transform_the_very_bytes_go_out(body: bytes) -> None:
    """What came goes out to the byte, with the sender's end-to-end headers, its signature included."""
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
    ("made", "body", "content_type"),
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
def test_transform_may_return_many_things(made: Any, body: bytes, content_type: str) -> None:
    """Dict and list go out as JSON, text as UTF-8, bytes as they are; a Request says more."""
    outgoing = transformed(lambda _: made)
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


@pytest.mark.parametrize("made", [5, 1.5, True, object(), {1, 2}, (1, 2)], ids=repr)
def test_transform_that_returns_something_else_fails(made: Any) -> None:
    """Any other answer is told with its type and with what there may be."""
    with pytest.raises(
        TransformFailed, match=f"returned a {type(made).__name__}; it may return dict"
    ):
        transformed(lambda _: made)


def _raises_deep(_: Event) -> Any:
    return json.loads("{")


def _divides(event: Event) -> Any:
    return {"share": 1 / len(event.body)}


def test_transform_that_raises_tells_its_own_line() -> None:
    """What was raised is told with file, line and function of the route's code."""
    line = _divides.__code__.co_firstlineno + 1
    with pytest.raises(
        TransformFailed, match=rf"ZeroDivisionError: .* \(test_route\.py:{line} in _divides\)"
    ):
        transformed(_divides)


def test_transform_that_raises_inside_a_library_tells_its_own_line() -> None:
    """The line told is the route's, not the library's that it called."""
    line = _raises_deep.__code__.co_firstlineno + 1
    with pytest.raises(TransformFailed, match=rf"\(test_route\.py:{line} in _raises_deep\)"):
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
    """`event.body` is what the validator made, read again from the stored bytes."""
    seen: list[Any] = []
    transformed(lambda event: seen.append(event.body), b'{"name": "Lan"}', validator=NeedsName())
    assert seen == [{"checked": "Lan"}]


def test_transform_sees_the_bytes_where_no_json_is_read() -> None:
    """On a route that reads no JSON there is no payload; the body is at hand as bytes."""
    seen: list[Any] = []
    transformed(lambda event: seen.extend([event.body, event.raw]), b"\xff", reads_json=False)
    assert seen == [None, b"\xff"]


def test_body_that_became_invalid_fails_the_transform() -> None:
    """If the model changed since the event was accepted, its delivery is dead and says where."""
    with pytest.raises(TransformFailed, match="name: is missing"):
        transformed(lambda _: {}, b'{"no": 1}', validator=NeedsName())


@pytest.mark.parametrize(
    "made",
    [float("nan"), float("inf"), {"deep": [float("-inf")]}, {"text": "NaN", "n": float("nan")}, {"a": object()},
     {"a": b"\xff"}, "\ud800", {"a": "\ud800"}],
    ids=ascii,
)  # fmt: skip
def test_new_body_that_is_no_json_fails(made: Any) -> None:
    """NaN, bytes that are no text and lone surrogates can't be sent: transform_failed, never another exception."""
    with pytest.raises(TransformFailed):
        transformed(lambda _: Request(made))


class Order(BaseModel):
    """What a route's own model may hold."""

    at: datetime
    id: UUID
    total: Decimal


def test_new_body_may_hold_what_pydantic_writes() -> None:
    """A model, or a part of one, is sent as pydantic writes it; text that only looks like no number is text."""
    order = Order(at=datetime(2026, 11, 24, 9, tzinfo=UTC), id=UUID(int=7), total=Decimal("1.10"))
    made = transformed(lambda _: {"order": order, "at": order.at, "said": "NaN or Infinity"})
    assert made is not None
    written = {
        "at": "2026-11-24T09:00:00Z",
        "id": "00000000-0000-0000-0000-000000000007",
        "total": "1.10",
    }
    assert json.loads(made.body) == {
        "order": written,
        "at": written["at"],
        "said": "NaN or Infinity",
    }


def test_new_body_that_holds_itself_fails() -> None:
    """A body without end is no body."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TransformFailed, match="not JSON"):
        transformed(lambda _: endless)


@pytest.mark.parametrize(
    "name",
    ["x kind", "", "x:kind", "x\r\ny", "x\0", "ä", "content-length", "Transfer-Encoding", "host", "connection", "te",
     "upgrade", "cookie", "expect", "trailer", "keep-alive", "proxy-authorization"],
    ids=ascii,
)  # fmt: skip
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
    """A body expression over body and event goes out as JSON; none of the sender's headers go along."""
    forward = Forward("chat", "chat", body=Expression('{"who": body.name, "what": event.type}'))
    outgoing = prepare(route(forward), forward, event(b'{"name": "Lan"}', {"x-secret": "1"}))
    assert outgoing is not None
    assert json.loads(outgoing.body) == {"who": "Lan", "what": "push"}
    assert outgoing.headers == {"content-type": "application/json"}


@pytest.mark.parametrize("source", ["body.missing", "1.0 / 0.0", '{"a": 1.0 / 0.0}'])
def test_body_expression_without_a_json_value_fails(source: str) -> None:
    """What has no value, or none that JSON knows, is transform_failed."""
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
    """Bytes as bytes, text as text, all else as JSON, in which times and durations are texts (ISO 8601)."""
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
    """What the file says about a header stands."""
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
    """What a sender writes into its body can't become a header of its own."""
    forward = Forward("inbox", "inbox", headers=(("x-kind", Expression("body.kind")),))
    with pytest.raises(TransformFailed, match="control characters"):
        prepare(route(forward), forward, event(b'{"kind": "a\\r\\nx-evil: 1"}'))


def test_gzipped_body_is_read_by_expressions_and_goes_out_as_it_came() -> None:
    """Expressions see the plain body; without a new body the compressed bytes go out with their header."""
    zipped = gzip.compress(b'{"name": "Lan"}')
    forward = Forward("inbox", "inbox", headers=(("x-name", Expression("body.name")),))
    outgoing = prepare(route(forward), forward, event(zipped, {"content-encoding": "gzip"}))
    assert outgoing is not None
    assert outgoing.body == zipped
    assert outgoing.headers["x-name"] == "Lan"
    assert outgoing.headers["content-encoding"] == "gzip"


def test_event_values_are_what_expressions_know() -> None:
    """Each variable `event.…` of expressions has a value, and there is no other."""
    scope = Scope({}).of(event())
    known = {name for name in variables("event") if name.startswith("event.")}
    assert {name for name in scope.values if name.startswith("event.")} == known - {
        "event.received"
    }
    assert Expression("event.received").value(scope).timestamp() == NOW
    assert Expression("event.received").value(scope.widened({"item": 1})).timestamp() == NOW


def test_what_forwards_say_again_is_the_same_object() -> None:
    """So that it can be counted at once; and it is what they said the first time, for each of their answers."""
    made = route(
        Forward("a", "chat", when=Expression("body.n == 1")),
        Forward("b", "inbox"),
        Forward("c", "chat"),
    )
    first, second = chosen(made, {"n": 1}), chosen(made, {"n": 2})
    assert [one.forward for one in first.owed] == ["a", "b", "c"]
    assert [one.forward for one in second.owed] == ["b", "c"]
    assert chosen(made, {"n": 1}) is first
    assert chosen(made, {"n": 3}) is second
    assert first.lasts
    failed = chosen(made, {})
    assert [said for _, _, said, _ in failed.said] == ["error", "owed", "owed"]
    assert not failed.lasts


def test_memory_of_what_forwards_said_is_bounded() -> None:
    """A route of many forwards may give more answers than are kept; those that are not are right all the same."""
    forwards = [Forward(f"f{n}", "chat", when=Expression(f"body.n{n}")) for n in range(9)]
    made = route(*forwards)
    for bits in range(1 << 9):
        body = {f"n{n}": bool(bits >> n & 1) for n in range(9)}
        said = chosen(made, body)
        assert [one.forward for one in said.owed] == [f"f{n}" for n in range(9) if bits >> n & 1]
    assert made.chosen is not None
    assert len(made.chosen) == 256
    assert not said.lasts
