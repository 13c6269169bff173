"""The rules that all schemes keep: what is signed verifies, what is changed does not, what is odd fails closed."""

import base64
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import NotVerified
from relay.verify import (
    Basic,
    Incoming,
    Mac,
    MacOptions,
    Scheme,
    Slack,
    StandardWebhooks,
    Stripe,
    Token,
    Unverified,
    github,
)

NOW = 1_700_000_000.0
OLD, NEW, OTHER = (b"whsec_" + base64.b64encode(bytes([n]) * 32) for n in (1, 2, 3))
Make = Callable[[Sequence[bytes]], Scheme]


def _hmac_with_everything(secrets: Sequence[bytes]) -> Scheme:
    options = MacOptions(
        header="x-signature",
        prefix="v9:",
        hash="sha512",
        encoding="base64",
        signed="{method} {url} {id}.{timestamp}.{body}",
        timestamp_header="x-timestamp",
        id_header="x-id",
        url="https://relay.example.org/in/hello",
    )
    return Mac(secrets, options)


SIGNING: dict[str, Make] = {
    "standard-webhooks": StandardWebhooks,
    "stripe": Stripe,
    "slack": Slack,
    "github": github,
    "hmac": lambda secrets: Mac(secrets, MacOptions(header="x-signature")),
    "hmac-with-everything": _hmac_with_everything,
}
SHARED: dict[str, Make] = {
    "token": lambda secrets: Token(secrets, header="x-token"),
    "bearer": Token,
    "basic": lambda secrets: Basic(secrets, "relay"),
}
ALL = SIGNING | SHARED
TIMED: dict[str, tuple[Make, str]] = {
    "standard-webhooks": (StandardWebhooks, "webhook-timestamp"),
    "slack": (Slack, "x-slack-request-timestamp"),
    "hmac-with-everything": (_hmac_with_everything, "x-timestamp"),
}


def request(scheme: Scheme, body: bytes, now: float = NOW, **changed: str) -> Incoming:
    headers = {
        name.lower(): value for name, value in scheme.sign(body, "msg_1", now).headers.items()
    }
    return Incoming(
        headers | {name.replace("_", "-"): value for name, value in changed.items()}, body
    )


def refused(scheme: Scheme, incoming: Incoming, now: float = NOW) -> None:
    with pytest.raises(NotVerified):
        scheme.verify(incoming, now)


@pytest.mark.parametrize("name", ALL)
@given(body=st.binary(max_size=300))
def test_what_is_signed_verifies(name: str, body: bytes) -> None:
    """sign(), then verify() holds for any body."""
    scheme = ALL[name]([NEW])
    scheme.verify(request(scheme, body), NOW)


@pytest.mark.parametrize("name", SIGNING)
@given(body=st.binary(min_size=1, max_size=100), data=st.data())
def test_one_changed_byte_is_noticed(name: str, body: bytes, data: st.DataObject) -> None:
    """A body that differs in a single byte is refused."""
    scheme = SIGNING[name]([NEW])
    incoming = request(scheme, body)
    at = data.draw(st.integers(0, len(body) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
    refused(scheme, Incoming(incoming.headers, changed))


@pytest.mark.parametrize("name", SIGNING)
@pytest.mark.parametrize("extra", [b" ", b"\n", b"\0"])
def test_appended_byte_is_noticed(name: str, extra: bytes) -> None:
    """A body that is longer by one byte is refused."""
    scheme = SIGNING[name]([NEW])
    refused(scheme, Incoming(request(scheme, b"{}").headers, b"{}" + extra))


@pytest.mark.parametrize("name", ALL)
def test_any_secret_of_a_rotation_verifies(name: str) -> None:
    """While two secrets stand side by side, requests under either are accepted, under a third refused."""
    rotating = ALL[name]([NEW, OLD])
    for secret in (OLD, NEW):
        rotating.verify(request(ALL[name]([secret]), b"{}"), NOW)
    refused(rotating, request(ALL[name]([OTHER]), b"{}"))


@pytest.mark.parametrize("name", ALL)
def test_first_secret_signs(name: str) -> None:
    """What a rotation signs is accepted by who has the first secret alone."""
    ALL[name]([NEW]).verify(request(ALL[name]([NEW, OLD]), b"{}"), NOW)


@pytest.mark.parametrize("name", ALL)
def test_no_secret_verifies_nothing(name: str) -> None:
    """A scheme without any secret refuses everything, also what is signed with an empty key."""
    incoming = request(ALL[name]([NEW]), b"{}")
    refused(ALL[name]([]), incoming)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("how", ["missing", "empty", "junk"])
def test_each_header_is_needed(name: str, how: str) -> None:
    """Without one of its headers, or with an empty or senseless one, a request is refused."""
    scheme = ALL[name]([NEW])
    good = request(scheme, b"{}")
    for header in good.headers:
        headers = dict(good.headers)
        if how == "missing":
            del headers[header]
        else:
            headers[header] = "" if how == "empty" else "\udcff\N{SNOWMAN}"
        refused(scheme, Incoming(headers, b"{}"))


@given(value=st.text(max_size=60))
@pytest.mark.parametrize("name", ALL)
def test_any_header_text_is_refused_calmly(name: str, value: str) -> None:
    """Whatever stands in a header, the answer is NotVerified and never another exception."""
    scheme = ALL[name]([NEW])
    good = request(scheme, b"{}")
    for header in good.headers:
        if value != good.headers[header]:
            refused(scheme, Incoming({**good.headers, header: value}, b"{}"))


ODD_TIMES = ["", "Infinity", "inf", "NaN", "+1700000000", " 1700000000", "1700000000 ", "-1", "1.0", "1e9",
             "\N{ARABIC-INDIC DIGIT ONE}", "1_700_000_000", "0x1", "9" * 13, "9" * 400, "1700000000\n"]  # fmt: skip


@pytest.mark.parametrize("text", ODD_TIMES, ids=ascii)
@pytest.mark.parametrize("name", TIMED)
def test_odd_timestamps_are_refused(name: str, text: str) -> None:
    """A timestamp is ASCII digits and nothing else, whatever an int() or float() would take."""
    make, header = TIMED[name]
    scheme = make([NEW])
    refused(scheme, Incoming({**request(scheme, b"{}").headers, header: text}, b"{}"))


@pytest.mark.parametrize(
    "text", ["Infinity", "+1700000000", " 1700000000", "1.7e9", "1700000000.0"]
)
def test_odd_timestamps_are_refused_even_if_signed(text: str) -> None:
    """A holder of the secret who signs an odd timestamp gets no further: it would switch the tolerance off."""
    plain = Mac(
        [NEW], MacOptions(header="x-signature", signed="{id}.{body}", id_header="x-timestamp")
    )
    timed = Mac(
        [NEW],
        MacOptions(
            header="x-signature", signed="{timestamp}.{body}", timestamp_header="x-timestamp"
        ),
    )
    headers = plain.sign(b"{}", text, NOW).headers
    plain.verify(Incoming(headers, b"{}"), NOW)
    refused(timed, Incoming(headers, b"{}"))


@pytest.mark.parametrize("text", [text for text in ODD_TIMES if text == text.rstrip()], ids=ascii)
def test_stripe_takes_one_plain_timestamp(text: str) -> None:
    """Stripe's t= is held to the same rule; only spaces around its commas mean nothing."""
    scheme = Stripe([NEW])
    value = request(scheme, b"{}").headers["stripe-signature"].partition(",")[2]
    refused(scheme, Incoming({"stripe-signature": f"t={text},{value}"}, b"{}"))


def test_stripe_refuses_two_timestamps() -> None:
    """With two t= nobody can tell which one was signed: malformed."""
    scheme = Stripe([NEW])
    value = request(scheme, b"{}").headers["stripe-signature"]
    for twice in (f"{value},t=1700000000", f"t=1,{value}", value.replace("t=", "t=1700000000,t=")):
        refused(scheme, Incoming({"stripe-signature": twice}, b"{}"))


def test_stripe_ignores_v0() -> None:
    """A signature under v0 is no signature, even if it is right: no downgrade."""
    scheme = Stripe([NEW])
    value = request(scheme, b"{}").headers["stripe-signature"]
    scheme.verify(Incoming({"stripe-signature": value + ",v0=00"}, b"{}"), NOW)
    refused(scheme, Incoming({"stripe-signature": value.replace("v1=", "v0=")}, b"{}"))


@pytest.mark.parametrize("name", [*TIMED, "stripe"])
@pytest.mark.parametrize(
    ("off", "holds"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_tolerance_holds_both_ways(name: str, off: int, *, holds: bool) -> None:
    """Five minutes old or early are accepted to the second; a second more is refused."""
    scheme = SIGNING[name]([NEW])
    incoming = request(scheme, b"{}", now=NOW + off)
    if holds:
        scheme.verify(incoming, NOW)
    else:
        refused(scheme, incoming)


@given(off=st.integers(-10_000, 10_000), tolerance=st.integers(1, 1000))
def test_own_tolerance_is_kept(off: int, tolerance: int) -> None:
    """A tolerance of one's own decides alone."""
    for scheme in (
        StandardWebhooks([NEW], tolerance),
        Stripe([NEW], tolerance),
        Slack([NEW], tolerance),
    ):
        incoming = request(scheme, b"{}", now=NOW + off)
        if abs(off) <= tolerance:
            scheme.verify(incoming, NOW)
        else:
            refused(scheme, incoming)


def test_wrong_signature_is_told_before_an_old_timestamp() -> None:
    """The signature is checked before the time: nobody without a secret learns our clock or tolerance."""
    for name, (make, _) in TIMED.items():
        incoming = request(SIGNING[name]([OTHER]), b"{}", now=NOW - 9999)
        with pytest.raises(NotVerified, match="match"):
            make([NEW]).verify(incoming, NOW)


@pytest.mark.parametrize("value", ["v2,{}", "v1a,{}", "v0,{}", "{}", "V1,{}", "v1 ,{}", " v1", ","])
def test_unknown_signature_versions_are_ignored(value: str) -> None:
    """Only `v1,` counts; another version, even over the right bytes, is no signature."""
    scheme = StandardWebhooks([NEW])
    good = request(scheme, b"{}")
    right = good.headers["webhook-signature"].removeprefix("v1,")
    refused(scheme, Incoming({**good.headers, "webhook-signature": value.format(right)}, b"{}"))
    mixed = value.format(right) + " v1," + right + " v9,other"
    scheme.verify(Incoming({**good.headers, "webhook-signature": mixed}, b"{}"), NOW)


def test_standard_webhooks_takes_svix_names() -> None:
    """`svix-*` headers are the same thing; a mixture of both families is not."""
    scheme = StandardWebhooks([NEW])
    good = request(scheme, b"{}")
    scheme.verify(
        Incoming(
            {name.replace("webhook-", "svix-"): value for name, value in good.headers.items()},
            b"{}",
        ),
        NOW,
    )
    mixed = {
        name.replace("webhook-s", "svix-s").replace("webhook-t", "svix-t"): value
        for name, value in good.headers.items()
    }
    refused(scheme, Incoming(mixed, b"{}"))


def test_standard_webhooks_signs_with_all_secrets() -> None:
    """Who still has the old secret alone can check what a rotation signs."""
    StandardWebhooks([OLD]).verify(request(StandardWebhooks([NEW, OLD]), b"{}"), NOW)


def test_signature_covers_id_and_timestamp() -> None:
    """Another id or time under the same signature is refused."""
    for name in ("standard-webhooks", "hmac-with-everything"):
        scheme = SIGNING[name]([NEW])
        good = request(scheme, b"{}")
        for header in good.headers:
            if header.endswith("-id"):
                refused(scheme, Incoming({**good.headers, header: "msg_2"}, b"{}"))
            if header.endswith("-timestamp"):
                refused(scheme, Incoming({**good.headers, header: str(int(NOW) + 1)}, b"{}"))


def test_prefix_is_needed() -> None:
    """`sha256=` belongs to GitHub's value; without it, in capitals or as sha1 it is refused."""
    scheme = github([NEW])
    right = request(scheme, b"{}").headers["x-hub-signature-256"].removeprefix("sha256=")
    for value in (right, f"SHA256={right}", f"sha1={right}", f" sha256={right}", "sha256="):
        refused(scheme, Incoming({"x-hub-signature-256": value}, b"{}"))


def test_github_refuses_sha1() -> None:
    """The legacy header `x-hub-signature` opens nothing."""
    legacy = Mac([NEW], MacOptions(header="x-hub-signature", prefix="sha1=", hash="sha1"))
    refused(github([NEW]), request(legacy, b"{}"))


def test_method_and_configured_url_are_signed() -> None:
    """The signature covers the request's method and the URL of the config, not what the request claims."""
    scheme = _hmac_with_everything([NEW])
    good = request(scheme, b"{}")
    scheme.verify(Incoming(good.headers, b"{}", url="https://evil.example.org/"), NOW)
    refused(scheme, Incoming(good.headers, b"{}", method="PUT"))


def test_body_that_looks_like_a_placeholder_is_a_body() -> None:
    """Nothing in an id or body is expanded a second time."""
    options = MacOptions(header="x-signature", signed="{id}.{body}", id_header="x-id")
    scheme = Mac([NEW], options)
    incoming = Incoming({**scheme.sign(b"{id}", "{body}", NOW).headers}, b"{id}")
    scheme.verify(incoming, NOW)
    refused(scheme, Incoming({**incoming.headers, "x-id": "{id}"}, b"{body}"))


def test_template_text_is_taken_literally() -> None:
    """What stands between placeholders is signed as it stands, braces in it included."""
    scheme = Mac([NEW], MacOptions(header="x-signature", signed='{"v":1}{body}{}'))
    scheme.verify(request(scheme, b"{}"), NOW)
    refused(Mac([NEW], MacOptions(header="x-signature")), request(scheme, b"{}"))


@pytest.mark.parametrize("text", ["{}00", "00{}", "{} ", " {}", "0x{}", "{}zz"])
def test_hex_is_exact(text: str) -> None:
    """The signature's digits are taken as they stand: nothing before, between or after them."""
    scheme = Mac([NEW], MacOptions(header="x-signature"))
    right = request(scheme, b"{}").headers["x-signature"]
    refused(scheme, Incoming({"x-signature": text.format(right)}, b"{}"))
    spaced = f"{right[:2]} {right[2:]}"
    refused(scheme, Incoming({"x-signature": spaced}, b"{}"))


def test_hex_may_be_in_capitals() -> None:
    """Upper-case digits stand for the same bytes."""
    scheme = Mac([NEW], MacOptions(header="x-signature"))
    right = request(scheme, b"{}").headers["x-signature"]
    scheme.verify(Incoming({"x-signature": right.upper()}, b"{}"), NOW)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (MacOptions("x-s", signed="{time}.{body}"), r"\{time\} is not known"),
        (MacOptions("x-s", signed="{timestamp}"), r"must contain \{body\}"),
        (MacOptions("x-s", signed=""), r"must contain \{body\}"),
        (MacOptions("x-s", signed="{timestamp}.{body}"), "`timestamp` is not given"),
        (MacOptions("x-s", signed="{id}.{body}"), "`id` is not given"),
        (MacOptions("x-s", signed="{url}{body}"), "`url` is not given"),
    ],
)
def test_template_that_cannot_hold_is_refused(options: MacOptions, said: str) -> None:
    """A template over what is not known or not given fails when the config is loaded."""
    with pytest.raises(ValueError, match=said):
        Mac([NEW], options)


def test_timestamp_that_is_not_signed_is_refused() -> None:
    """A timestamp outside the signature proves nothing, as anyone can renew it: the template must name it."""
    with pytest.raises(ValueError, match="timestamp"):
        Mac([NEW], MacOptions("x-s", signed="{body}", timestamp_header="x-timestamp"))


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer {} {}", "Token {}"]
)
def test_bearer_is_exact(value: str) -> None:
    """In `authorization` the token stands after `Bearer`, whole and alone."""
    refused(Token([NEW]), Incoming({"authorization": value.replace("{}", NEW.decode())}, b""))


def test_bearer_may_be_in_any_case() -> None:
    """The scheme's name is case-insensitive (RFC 9110 §11.1); the token is not."""
    Token([NEW]).verify(Incoming({"authorization": f"bEARER {NEW.decode()}"}, b""), NOW)
    refused(Token([b"abc"]), Incoming({"authorization": "Bearer ABC"}, b""))


@pytest.mark.parametrize(
    "pair", ["relay:", "relay", ":secret", "Relay:secret", "relay:secret ", "relay:SECRET", ""]
)
def test_basic_is_exact(pair: str) -> None:
    """User name and password must both be right, to the byte."""
    scheme = Basic([b"secret"], "relay")
    encoded = base64.b64encode(pair.encode()).decode()
    refused(scheme, Incoming({"authorization": f"Basic {encoded}"}, b""))


def test_password_may_hold_a_colon() -> None:
    """Only the first colon parts user name and password (RFC 7617 §2)."""
    scheme = Basic([b"se:cret"], "relay")
    scheme.verify(request(scheme, b""), NOW)


def test_shared_secrets_are_named_for_removal() -> None:
    """Headers that carry a secret are named, so that they are neither stored nor passed on."""
    assert Token([NEW], header="X-Gitlab-Token").secret_headers == {"x-gitlab-token"}
    assert Token([NEW]).secret_headers == {"authorization"}
    assert Basic([NEW], "relay").secret_headers == {"authorization"}
    for make in SIGNING.values():
        assert make([NEW]).secret_headers == frozenset()


def test_none_takes_anything() -> None:
    """The scheme `none` adds nothing and refuses nothing."""
    scheme = Unverified()
    assert not scheme.sign(b"", "msg_1", NOW).headers
    scheme.verify(Incoming({}, b"\xff"), NOW)


def test_refusals_name_no_secret() -> None:
    """What the log may show of a refusal holds neither a secret nor the signature that would have been right."""
    for name, make in ALL.items():
        good = request(make([NEW]), b"{}")
        with pytest.raises(NotVerified) as caught:
            make([OTHER]).verify(good, NOW)
        right = request(make([OTHER]), b"{}").headers
        assert OTHER.decode() not in str(caught.value), name
        assert not any(value in str(caught.value) for value in right.values()), name
