"""Requests: verified, decoded, validated, authorized; nothing else is kept of them."""

import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from relay.errors import Rejected, RequestReason
from relay.expression.cel import Expression
from relay.routing.check import Verified, check, stored_scope, validate_stored
from relay.routing.route import Route
from relay.verify import Handshake, Incoming
from relay.verify.basic import Basic
from relay.verify.github import Github
from relay.verify.slack import Slack
from relay.verify.token import Token
from tests.unit.routing.routes import NOW, NeedsName, event, route

KEY = Expression("body.key", "request")


def checked(route: Route, raw: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Verified:
    verified = check(route, "", Incoming(headers or {}, raw), {"q": "1"}, NOW)
    assert isinstance(verified, Verified)
    return verified


def rejection(
    route: Route, raw: bytes = b"{}", headers: Mapping[str, str] | None = None
) -> Rejected:
    with pytest.raises(Rejected) as caught:
        checked(route, raw, headers)
    return caught.value


def test_request_that_does_not_verify_is_refused_without_a_reason() -> None:
    """401 comes first, before the body is looked at, and tells a stranger nothing."""
    refusal = rejection(
        route(scheme=Github([b"secret"])), b"not json", {"x-hub-signature-256": "sha256=00"}
    )
    assert refusal.reason is RequestReason.NOT_VERIFIED
    assert refusal.detail == "the request could not be verified"


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
    verified = checked(route(validator=NeedsName(), quarantines=True), b'{"no": 1}')
    assert verified.invalid is not None
    assert verified.invalid.reason is RequestReason.INVALID
    assert verified.raw == b'{"no": 1}'


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a": 1, "a": 2}'])
def test_quarantine_does_not_keep_what_is_malformed(body: bytes) -> None:
    """A body that is not even JSON is malformed, on a route that quarantines too."""
    assert (
        rejection(route(validator=NeedsName(), quarantines=True), body).reason
        is RequestReason.MALFORMED
    )


def test_valid_body_gives_the_validators_payload() -> None:
    """Transforms see the validator's value of the body; expressions see the body itself."""
    verified = checked(route(validator=NeedsName()), b'{"name": "Lan"}')
    assert verified.body == {"checked": "Lan"}
    assert Expression("body.name", "request").value(verified.scope) == "Lan"
    assert verified.invalid is None


def test_validator_sees_the_decompressed_body() -> None:
    """A model reads the plain bytes, not those of the gzip around them."""

    class Model(BaseModel):
        name: str

    class ByBytes:
        def validate(self, raw: bytes, value: Any) -> Any:
            return Model.model_validate_json(raw)

    zipped = gzip.compress(b'{"name": "Lan"}')
    verified = checked(route(validator=ByBytes()), zipped, {"content-encoding": "gzip"})
    assert verified.body == Model(name="Lan")
    assert verified.raw == zipped


@pytest.mark.parametrize(
    ("body", "value"), [(b'{"a": 1}', 1), (b"{", None), (b"\xff\xfe", None), (b"", None)]
)
def test_route_that_tries_json_takes_any_body(body: bytes, value: object) -> None:
    """Where only the scheme's defaults look into the body, a body that is no JSON is no fault."""
    hello = route(id=Expression("body.a", "request"), by_default=frozenset({"id"}))
    verified = checked(hello, body, {"content-type": "text/html"})
    assert verified.id == ("" if value is None else str(value))


def test_route_that_reads_no_json_leaves_the_body_alone() -> None:
    """Without anything that needs the body, it is not decoded at all."""
    verified = checked(route(), b"{", {"content-type": "image/png", "content-encoding": "br"})
    assert (verified.raw, verified.body) == (b"{", None)


def test_id_type_and_key_are_found() -> None:
    """The event's facts come from headers, query and body alike."""
    hello = route(
        id=Expression('headers["x-id"]', "request"),
        type=Expression("body.kind", "request"),
        key=Expression("query['q']", "request"),
    )
    verified = checked(hello, b'{"kind": "push"}', {"x-id": "42"})
    assert (verified.id, verified.type, verified.key) == ("42", "push", "1")


def test_fact_without_a_value_is_empty() -> None:
    """An id, type or key that an event doesn't have is '': such events are taken all the same."""
    hello = route(
        id=Expression('headers["x-id"]', "request"), type=Expression("body.a.b", "request")
    )
    verified = checked(hello, b'{"a": [1]}')
    assert (verified.id, verified.type, verified.key) == ("", "", "")


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "a\x01b", "a\x7fb"])
def test_facts_hold_no_control_characters(text: str) -> None:
    """Log lines and stores may rely on one line of text."""
    hello = route(type=Expression("body.kind", "request"))
    verified = checked(hello, json.dumps({"kind": text}).encode())
    assert verified.type == "a b"


def test_facts_have_a_longest_length() -> None:
    """A sender's text of a megabyte becomes a label of 512 characters."""
    hello = route(type=Expression("body.kind", "request"))
    assert checked(hello, json.dumps({"kind": "x" * 100_000}).encode()).type == "x" * 512


KEPT = {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot",
    "x-github-event": "push",
    "accept": "*/*",
}
DROPPED = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
    "expect",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "cookie",
    "authorization",
]


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
    """A header that a scheme reads a token from stays out of the store and of deliveries."""
    token = route(scheme=Token([b"secret"], header="X-Gitlab-Token"))
    assert checked(token, headers={**KEPT, "x-gitlab-token": "secret"}).headers == KEPT
    basic = Basic([b"secret"], "relay")
    signed = basic.sign(b"", "", NOW).headers
    assert checked(route(scheme=basic), headers={**KEPT, **signed}).headers == KEPT


def test_handshake_is_answered_after_the_signature() -> None:
    """Slack's challenge is answered to who can sign, and to nobody else; it is no event."""
    scheme = Slack([b"secret"])
    body = b'{"type": "url_verification", "challenge": "3eZb"}'
    hello = route(scheme=scheme, key=KEY)
    answer = check(hello, "", Incoming(scheme.sign(body, "", NOW).headers, body), {}, NOW)
    assert isinstance(answer, Handshake)
    assert json.loads(answer.body) == {"challenge": "3eZb"}
    assert rejection(hello, body).reason is RequestReason.NOT_VERIFIED


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("event.sender == 'hue'", "event.sender == 'hue' does not hold"),
        ("body.allowed", "whether body.allowed holds can't be told: .*"),
        ("body.number", "body.number does not hold"),
    ],
)
def test_request_that_is_not_allowed_is_refused_with_the_rule(rule: str, why: str) -> None:
    """Only true allows: false, a failure, or another value is 403; the sender learns the rule."""
    refusal = rejection(route(authorize=Expression(rule, "verified")), b'{"number": 1}')
    assert refusal.reason is RequestReason.FORBIDDEN
    assert re.fullmatch(f"the sender may not send this: {why}", refusal.detail)


def test_rule_sees_the_event_that_the_request_would_be() -> None:
    """`authorize` decides by the facts of the event, and by the body as it came."""
    rule = "event.type == 'push' && event.dedupe_id == '7' && event.route == 'hello' && body.n == 1"
    hello = route(
        type=Expression("'push'", "request"),
        id=Expression("'7'", "request"),
        authorize=Expression(rule, "verified"),
    )
    assert checked(hello, b'{"n": 1}').type == "push"


def test_quarantined_body_is_not_authorized_yet() -> None:
    """The rule may need what is not valid: it is asked when the event leaves quarantine."""
    rule = Expression("body.name == 'Lan'", "verified")
    hello = route(validator=NeedsName(), quarantines=True, authorize=rule)
    assert checked(hello, b"{}").invalid is not None


def test_stored_event_is_validated_by_the_route_as_it_is_now() -> None:
    """It comes with the validator's body; one that the route takes no more is rejected."""
    now = route(validator=NeedsName())
    valid, scope = validate_stored(now, event(b'{"name": "Lan"}'))
    assert valid.body == {"checked": "Lan"}
    assert Expression("body.name + event.type").value(scope) == "Lanpush"
    with pytest.raises(Rejected) as caught:
        validate_stored(now, event(b'{"no": 1}'))
    assert caught.value.where == (("name", "is missing"),)


def test_stored_event_that_is_not_valid_still_has_a_scope() -> None:
    """Metrics are restored from all that can be decoded; what can't be is rejected."""
    hello = route(validator=NeedsName())
    assert Expression("body.no").value(stored_scope(hello, event(b'{"no": 1}'))) == 1
    with pytest.raises(Rejected):
        stored_scope(hello, event(b"{"))
