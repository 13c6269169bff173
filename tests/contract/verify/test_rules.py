"""The rules that all schemes keep; a new scheme is under them without a line here.

Signed requests verify, changed ones do not, odd ones fail closed, and nothing shows a secret.
"""

import base64
import contextlib
import hmac
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from relay.clock import Wall
from relay.errors import NotVerified, Rejected, RequestReason
from relay.http.headers import kept
from relay.routing.check import check
from relay.routing.route import Route
from relay.verify import Incoming, Scheme
from relay.verify.options import SecretOptions
from relay.verify.schemes import names, options
from tests.contract.verify.subject import ALL, NOW, SECRET, SIGNING, TIMED, Subject, request

DECADE = 10 * 365 * 86400.0
ODD_TIMES = ["", "Infinity", "inf", "NaN", "+1700000000", " 1700000000", "1700000000 ", "-1", "1.0",
             "1e9", "\N{ARABIC-INDIC DIGIT ONE}", "1_700_000_000", "0x1", "9" * 13, "9" * 400,
             "1700000000\n"]  # fmt: skip
# Values as the HTTP parser gives them: bytes that are no UTF-8 are lone surrogates.
VALUES = st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
)

every = pytest.mark.parametrize("name", ALL)
every_secret = pytest.mark.parametrize("name", SECRET)
every_signing = pytest.mark.parametrize("name", SIGNING)
every_timed = pytest.mark.parametrize("name", TIMED)


def refusal(scheme: Scheme, incoming: Incoming, now: Wall = NOW) -> str:
    """Return the text of the refusal: NotVerified, and no other exception."""
    with pytest.raises(NotVerified) as caught:
        scheme.verify(incoming, now)
    return str(caught.value)


def pair(name: str) -> tuple[Subject, Scheme]:
    """Return a subject, and its scheme over the first of its secrets."""
    subject = ALL[name]
    return subject, subject.make(subject.secrets[0])


def handshakes(text: str) -> list[dict[str, Any]]:
    """Return the bodies by which providers ask, each for an answer made of `text`."""
    inside = {"challenge": text, "crc_token": text, "payload": {"plainToken": text}}
    words: list[Any] = ["url_verification", "endpoint.url_validation", "challenge", 1]
    return [{key: word, **inside} for key in ("type", "event") for word in words]


# What verifies


@every
@given(body=st.binary(max_size=300))
def test_signed_request_verifies(name: str, body: bytes) -> None:
    """sign(), then verify() holds for any body."""
    _, scheme = pair(name)
    scheme.verify(request(scheme, body), NOW)


@every_secret
def test_any_secret_of_a_rotation_verifies(name: str) -> None:
    """While two secrets stand side by side, requests under either are accepted."""
    subject = ALL[name]
    new, old, other = subject.secrets
    for rotating in (subject.make(new, old), subject.make(old, new)):
        for secret in (new, old):
            rotating.verify(request(subject.make(secret), b"{}"), NOW)
        refusal(rotating, request(subject.make(other), b"{}"))


@every_secret
def test_first_secret_signs(name: str) -> None:
    """A holder of the first secret alone accepts what a rotation signs."""
    subject = ALL[name]
    new, old, _ = subject.secrets
    subject.make(new).verify(request(subject.make(new, old), b"{}"), NOW)


@every
def test_headers_are_named_in_lower_case(name: str) -> None:
    """Headers are looked up by lower-case names: those that sign, and those that are secret."""
    _, scheme = pair(name)
    named = {*scheme.sign(b"{}", "msg_1", NOW).headers, *scheme.secret_headers}
    assert {header for header in named if header != header.lower()} == set()


# What does not


@every_secret
def test_another_secret_is_refused(name: str) -> None:
    """A request under a secret that the scheme does not have is refused."""
    subject, scheme = pair(name)
    refusal(scheme, request(subject.make(subject.secrets[1]), b"{}"))


@every_secret
def test_no_secret_verifies_nothing(name: str) -> None:
    """A scheme without any secret refuses every request."""
    subject, scheme = pair(name)
    refusal(subject.make(), request(scheme, b"{}"))


@every_signing
@given(body=st.binary(min_size=1, max_size=100), data=st.data())
def test_one_changed_byte_is_noticed(name: str, body: bytes, data: st.DataObject) -> None:
    """A body that differs in a single byte is refused."""
    _, scheme = pair(name)
    headers = request(scheme, body).headers
    at = data.draw(st.integers(0, len(body) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :]
    refusal(scheme, Incoming(headers, changed))


@every_signing
@pytest.mark.parametrize("extra", [b" ", b"\n", b"\0"])
def test_appended_byte_is_noticed(name: str, extra: bytes) -> None:
    """A body that is longer by one byte is refused."""
    _, scheme = pair(name)
    refusal(scheme, Incoming(request(scheme, b"{}").headers, b"{}" + extra))


@every_secret
@pytest.mark.parametrize("value", [None, "", "\udcff\N{SNOWMAN}", ",", "=", "v1,", "t=1,v1="])
def test_each_header_is_needed(name: str, value: str | None) -> None:
    """Without one of its headers, or with an empty or malformed one, a request is refused."""
    _, scheme = pair(name)
    signed = request(scheme, b"{}").headers
    assert signed
    for header in signed:
        others = {other: text for other, text in signed.items() if other != header}
        refusal(scheme, Incoming(others if value is None else {**others, header: value}, b"{}"))


@every_secret
@given(value=VALUES)
def test_any_header_value_is_refused_calmly(name: str, value: str) -> None:
    """Whatever stands in a header, non-ASCII text and broken UTF-8 too, it is NotVerified."""
    _, scheme = pair(name)
    signed = request(scheme, b"{}").headers
    for header in signed:
        if value != signed[header]:
            refusal(scheme, Incoming({**signed, header: value}, b"{}"))
        # Beside a right value it may be ignored, in those headers that are lists.
        for text in (signed[header] + value, value + signed[header]):
            with contextlib.suppress(NotVerified):
                scheme.verify(Incoming({**signed, header: text}, b"{}"), NOW)


# Time


@every_timed
@pytest.mark.parametrize("side", [-1, 1], ids=["old", "early"])
def test_tolerance_holds_both_ways(name: str, side: int) -> None:
    """A request as old or as early as the tolerance is accepted; a second more is refused."""
    subject, scheme = pair(name)
    tolerance = subject.tolerance or 0.0
    scheme.verify(request(scheme, b"{}", Wall(NOW + side * tolerance)), NOW)
    refusal(scheme, request(scheme, b"{}", Wall(NOW + side * (tolerance + 1))))


@pytest.mark.parametrize("name", SECRET.keys() - TIMED.keys())
def test_scheme_without_tolerance_reads_no_clock(name: str) -> None:
    """Where no option says a tolerance, a request stays good: what repeats is found by its id."""
    _, scheme = pair(name)
    for side in (-1, 1):
        scheme.verify(request(scheme, b"{}"), Wall(NOW + side * DECADE))


@every_timed
@pytest.mark.parametrize("text", ODD_TIMES, ids=lambda text: ascii(text[:20]))
def test_odd_timestamps_are_refused(name: str, text: str) -> None:
    """A timestamp is ASCII digits and nothing else, whatever an int() or float() would take."""
    _, scheme = pair(name)
    signed = request(scheme, b"{}").headers
    for header, value in signed.items():
        odd = value.replace(str(int(NOW)), text)
        # Space beside a comma means nothing, in those headers that are lists.
        if "".join(odd.split()) != "".join(value.split()):
            refusal(scheme, Incoming({**signed, header: odd}, b"{}"))


@every_timed
def test_signature_is_checked_before_the_time(name: str) -> None:
    """Nobody without a secret learns the clock or the tolerance: the refusals are the same."""
    subject, scheme = pair(name)
    stranger = subject.make(subject.secrets[1])
    texts = {refusal(scheme, request(stranger, b"{}", Wall(now))) for now in (NOW, NOW - DECADE)}
    assert len(texts) == 1


# Secrets stay secret


class _Secret(bytes):
    """A secret that may not be compared but by hmac.compare_digest."""

    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a secret is compared with ==")


@every_secret
def test_comparison_takes_constant_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret is compared, by compare_digest: the time does not tell which one matched."""
    subject = ALL[name]
    new, old, other = map(_Secret, subject.secrets)
    rotating = subject.make(new, old)
    compared: list[int] = []
    compare = hmac.compare_digest

    def spy(left: bytes, right: bytes) -> bool:
        compared[-1] += 1
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    for secret in (new, old, other):
        incoming = request(subject.make(secret), b"{}")
        compared.append(0)
        if secret is other:
            refusal(rotating, incoming)
        else:
            rotating.verify(incoming, NOW)
    assert compared == [2, 2, 2]


@every_secret
def test_refusals_name_no_secret(name: str) -> None:
    """The log may show a refusal: neither a secret nor the right signature is in it."""
    subject, scheme = pair(name)
    own, other, _ = subject.secrets
    right = request(scheme, b"{}").headers
    for headers in (request(subject.make(other), b"{}").headers, dict.fromkeys(right, "x"), {}):
        text = refusal(scheme, Incoming(headers, b"{}"))
        assert own.decode() not in text
        assert [value for value in right.values() if value in text] == []


@every_secret
def test_repr_shows_no_secret(name: str) -> None:
    """Neither the scheme nor its options, which may hold a literal secret, show it when printed."""
    subject, scheme = pair(name)
    secret = subject.secrets[0].decode()
    printed = subject.options.model_copy(update={"secrets": [secret]})
    for text in (repr(scheme), str(scheme), repr(printed), str(printed)):
        assert secret not in text


@every
def test_headers_with_the_secret_are_not_kept(name: str) -> None:
    """A header that is the same for every body, id and time is a credential: it is not stored."""
    _, scheme = pair(name)
    first = scheme.sign(b"one", "msg_1", NOW).headers
    second = scheme.sign(b"two", "msg_2", Wall(NOW + 1)).headers
    credentials = {header for header in first if first[header] == second[header]}
    assert credentials == scheme.secret_headers
    assert kept(first, scheme.secret_headers).keys().isdisjoint(credentials)


@every_signing
def test_no_header_has_the_secret_in_it(name: str) -> None:
    """A scheme never sends the secret that it signs with, in whatever spelling."""
    subject, scheme = pair(name)
    secret = subject.secrets[0]
    spellings = [secret, base64.b64encode(secret), secret.hex().encode(), secret[len("whsec_") :]]
    for value in scheme.sign(b"{}", "msg_1", NOW).headers.values():
        assert [spelling for spelling in spellings if spelling.decode() in value] == []


# Handshakes


@every
@given(value=JSON)
def test_ordinary_body_is_no_handshake(name: str, value: Any) -> None:
    """Any decoded body is looked at without an exception, and is an event."""
    _, scheme = pair(name)
    assert scheme.handshake(value) is None


@every_secret
def test_unsigned_handshake_is_not_answered(name: str) -> None:
    """A stranger who asks as a provider would learns nothing, whatever the scheme would answer."""
    _, scheme = pair(name)
    route = Route(name="in", path="/in", schemes={"": scheme}, forwards=())
    for value in handshakes("word"):
        with pytest.raises(Rejected) as caught:
            check(route, "", Incoming({}, json.dumps(value).encode()), {}, NOW)
        assert caught.value.reason is RequestReason.NOT_VERIFIED


@every
@pytest.mark.parametrize("body", ['{"id": 1}', f"v0:{int(NOW)}:{{}}", "one"])
def test_handshake_is_no_signing_oracle(name: str, body: str) -> None:
    """Whoever can ask for a handshake can't have a body signed by it."""
    _, scheme = pair(name)
    signed = [*scheme.sign(body.encode(), "msg_1", NOW).headers.values()]
    signed += scheme.sign(b"{}", "msg_1", NOW).headers.values()
    digests = [part for value in signed for part in re.split(r"[=,; ]", value) if len(part) > 15]
    for value in handshakes(body):
        answer = scheme.handshake(value)
        text = answer.body.decode() if answer else ""
        assert [digest for digest in digests if digest in text] == []


# Options and the table


@every
def test_unknown_options_are_refused(name: str) -> None:
    """A key that the scheme does not know is an error, and not silently without effect."""
    words = ALL[name].options.model_dump(mode="json", exclude_unset=True)
    with pytest.raises(ValidationError) as caught:
        type(ALL[name].options).model_validate({**words, "unknown": 1})
    assert ("unknown",) in [error["loc"] for error in caught.value.errors()]


@every
def test_every_option_is_described(name: str) -> None:
    """The reference and editors show a sentence for every option; a needed one has an example."""
    for field, info in _fields(type(ALL[name].options)):
        assert (info.description or "").endswith("."), field
        assert not info.is_required() or info.examples or field == "scheme", field


def _fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    nested = [
        part
        for info in model.model_fields.values()
        for part in (info.annotation, *getattr(info.annotation, "__args__", ()))
        if isinstance(part, type) and issubclass(part, BaseModel)
    ]
    return [*model.model_fields.items(), *(field for inner in nested for field in _fields(inner))]


@pytest.mark.parametrize("name", names())
def test_scheme_has_the_name_of_its_file(name: str) -> None:
    """The word in `verify: {scheme: …}`, the scheme's own name and the module's are one."""
    subject, scheme = pair(name)
    assert subject.options.scheme == scheme.name == name
    with pytest.raises(ValidationError):
        options(name).model_validate({**subject.options.model_dump(mode="json"), "scheme": "other"})


@every
def test_senders_hold_secrets_or_none_do(name: str) -> None:
    """`secrets` is an option of those schemes that have any, and of no others."""
    chosen = type(ALL[name].options)
    assert ("secrets" in chosen.model_fields) == issubclass(chosen, SecretOptions)


_PROGRAM = """
import json, sys
import relay.config
from relay.verify.schemes import names, options
before = set(sys.modules)
names()
options("slack")
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_schemes_are_imported_when_they_are_named() -> None:
    """A route imports its own scheme alone: many schemes make no start slower."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == ["relay.verify.mac", "relay.verify.slack"]
