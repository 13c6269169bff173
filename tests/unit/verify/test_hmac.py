"""`hmac` by its options: the template, the two encodings, the time that must be signed."""

from typing import Any

import pytest

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming, Scheme
from relay.verify.hmac import HmacOptions
from relay.verify.scheme import OptionInvalid

NOW = Wall(1_700_000_000.0)


def scheme(**verify: Any) -> Scheme:
    """Return the scheme that `verify: {scheme: hmac, header: x-signature, …}` makes."""
    words = {"scheme": "hmac", "header": "x-signature", **verify}
    return HmacOptions.model_validate(words).build([b"secret"])


def refused(mac: Scheme, incoming: Incoming) -> None:
    with pytest.raises(NotVerified):
        mac.verify(incoming, NOW)


def test_id_time_method_and_url_are_signed() -> None:
    """Another id, time, method or URL of the config under the same signature is refused."""
    signed = "{method} {url} {id}.{timestamp}.{body}"
    words = {"id": {"header": "x-id"}, "timestamp": {"header": "x-time"}, "signed": signed}
    mac = scheme(**words, url="https://relay.example.org/in/hello")
    headers = mac.sign(b"{}", "msg_1", NOW).headers
    mac.verify(Incoming(headers, b"{}"), NOW)
    refused(mac, Incoming({**headers, "x-id": "msg_2"}, b"{}"))
    refused(mac, Incoming({**headers, "x-time": "1700000001"}, b"{}"))
    refused(mac, Incoming(headers, b"{}", method="PUT"))
    refused(scheme(**words, url="https://evil.example.org/"), Incoming(headers, b"{}"))


@pytest.mark.parametrize(
    "text", ["Infinity", "+1700000000", " 1700000000", "1.7e9", "1700000000.0"]
)
def test_odd_timestamps_are_refused_even_if_signed(text: str) -> None:
    """A holder of the secret who signs an odd time is refused: it would never grow old."""
    plain = scheme(signed="{id}.{body}", id={"header": "x-time"})
    timed = scheme(signed="{timestamp}.{body}", timestamp={"header": "x-time"})
    headers = plain.sign(b"{}", text, NOW).headers
    plain.verify(Incoming(headers, b"{}"), NOW)
    refused(timed, Incoming(headers, b"{}"))


def test_id_header_is_the_default_id() -> None:
    """Where requests have an id, it deduplicates unless the route says otherwise."""
    assert scheme(id={"header": "X-Id"}).defaults.id == 'headers["x-id"]'
    assert scheme().defaults.id == ""


def test_body_that_looks_like_a_placeholder_is_a_body() -> None:
    """Nothing in an id or body is expanded a second time."""
    mac = scheme(signed="{id}.{body}", id={"header": "x-id"})
    headers = mac.sign(b"{id}", "{body}", NOW).headers
    mac.verify(Incoming(headers, b"{id}"), NOW)
    refused(mac, Incoming({**headers, "x-id": "{id}"}, b"{body}"))


def test_template_text_is_taken_literally() -> None:
    """Text between placeholders is signed as it stands, braces in it included."""
    mac = scheme(signed='{"v":1}{body}{}')
    headers = mac.sign(b"{}", "msg_1", NOW).headers
    mac.verify(Incoming(headers, b"{}"), NOW)
    refused(scheme(), Incoming(headers, b"{}"))


@pytest.mark.parametrize("text", ["{}00", "00{}", "{} ", " {}", "0x{}", "{}zz"])
def test_hex_is_exact(text: str) -> None:
    """The signature's digits are taken as they stand: nothing before, between or after them."""
    mac = scheme()
    right = mac.sign(b"{}", "", NOW).headers["x-signature"]
    refused(mac, Incoming({"x-signature": text.format(right)}, b"{}"))
    refused(mac, Incoming({"x-signature": f"{right[:2]} {right[2:]}"}, b"{}"))


def test_hex_may_be_in_capitals() -> None:
    """Upper-case digits stand for the same bytes."""
    mac = scheme()
    right = mac.sign(b"{}", "", NOW).headers["x-signature"]
    mac.verify(Incoming({"x-signature": right.upper()}, b"{}"), NOW)


@pytest.mark.parametrize(
    ("verify", "message"),
    [
        ({"signed": "{time}.{body}"}, r"signed: \{time\} is not known"),
        ({"signed": "{timestamp}"}, r"signed: must contain \{body\}"),
        ({"signed": ""}, r"signed: must contain \{body\}"),
        ({"signed": "{timestamp}.{body}"}, "signed: names {timestamp}, but `timestamp` is not"),
        ({"signed": "{id}.{body}"}, "signed: names {id}, but `id` is not"),
        ({"signed": "{url}{body}"}, "signed: names {url}, but `url` is not"),
        # Outside the signature a time proves nothing, as anyone can renew it.
        ({"timestamp": {"header": "x-t"}}, r"signed: must contain \{timestamp\}"),
    ],
)
def test_template_that_cannot_hold_is_refused(verify: dict[str, Any], message: str) -> None:
    """A template with an unknown part, or without one that it needs, fails with the config."""
    with pytest.raises(OptionInvalid, match=message) as caught:
        scheme(**verify)
    assert caught.value.option == "signed"
