"""Standard Webhooks: keys, signatures as the reference implementation's, the scheme's own rules."""

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming
from relay.verify.standard_webhooks import StandardWebhooks, decode_key, signature, signatures

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = Wall(1_700_000_000.0)
SCHEME = StandardWebhooks([SECRET.encode()])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
)
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)


def headers(message_id: str, timestamp: int, value: str) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": value,
    }


@given(payload=JSON, message_id=IDS)
def test_reference_implementation_accepts_what_we_sign(payload: object, message_id: str) -> None:
    """The `standardwebhooks` package verifies any signed body, and reads the same payload."""
    body = json.dumps(payload).encode()
    now = int(time.time())
    value = signature(KEY, message_id, now, body)
    assert Webhook(SECRET).verify(body, headers(message_id, now, value)) == payload


@given(body=st.text(max_size=50), message_id=IDS, seconds=st.integers(0, 2**32))
def test_signature_is_that_of_the_reference_implementation(
    body: str, message_id: str, seconds: int
) -> None:
    """Both sign to the same text."""
    expected = Webhook(SECRET).sign(message_id, datetime.fromtimestamp(seconds, UTC), body)
    assert signature(KEY, message_id, seconds, body.encode()) == expected


def test_rotation_verifies_with_either_key() -> None:
    """With two keys there are two signatures: who has one of them can check."""
    other = bytes(32)
    now = int(time.time())
    value = signatures([KEY, other], "msg_1", now, b"{}")
    assert len(value.split(" ")) == 2
    for secret in (SECRET, "whsec_" + base64.b64encode(other).decode()):
        Webhook(secret).verify(b"{}", headers("msg_1", now, value))
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(
            b"{}", headers("msg_1", now, value)
        )


@given(key=st.binary(min_size=1, max_size=64))
def test_key_is_read_with_or_without_prefix_and_padding(key: bytes) -> None:
    """`whsec_` and the padding may be left out, and a line's end may stand behind, as in a file."""
    text = base64.b64encode(key)
    for form in (
        text,
        b"whsec_" + text,
        b"whsec_" + text.rstrip(b"="),
        text.rstrip(b"="),
        b" whsec_" + text + b"\n",
    ):
        assert decode_key(form) == key


@pytest.mark.parametrize(
    "secret",
    [
        b"whsec_not base64",
        b"whsec_!!!!",
        "whsec_ä".encode(),
        b"\xff",
        b"a",
        b"whsec_abcd\nabcd",
        b"whsec_ab=cd",
    ],
)
def test_secret_that_is_not_base64_is_no_key(secret: bytes) -> None:
    """A wrong secret fails when the config is loaded, without a part of it in the message."""
    with pytest.raises(ValueError, match="a standard-webhooks secret is base64") as caught:
        decode_key(secret)
    assert len(secret) < 4 or secret.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize("secret", [b"", b"whsec_", b"  ", b"whsec_=", b"whsec_===="])
def test_key_of_no_bytes_is_refused(secret: bytes) -> None:
    """With an empty key anybody could sign: it is no key."""
    with pytest.raises(ValueError, match="secret"):
        decode_key(secret)


@pytest.mark.parametrize("value", ["v2,{}", "v1a,{}", "v0,{}", "{}", "V1,{}", "v1 ,{}", " v1", ","])
def test_unknown_signature_versions_are_ignored(value: str) -> None:
    """Only `v1,` counts; another version, even over the right bytes, is no signature."""
    good = SCHEME.sign(b"{}", "msg_1", NOW).headers
    right = good["webhook-signature"].removeprefix("v1,")
    with pytest.raises(NotVerified):
        SCHEME.verify(Incoming({**good, "webhook-signature": value.format(right)}, b"{}"), NOW)
    mixed = value.format(right) + " v1," + right + " v9,other"
    SCHEME.verify(Incoming({**good, "webhook-signature": mixed}, b"{}"), NOW)


def test_svix_names_are_taken() -> None:
    """`svix-*` headers are the same thing; a mixture of both families is not."""
    good = SCHEME.sign(b"{}", "msg_1", NOW).headers
    svix = {name.replace("webhook-", "svix-"): value for name, value in good.items()}
    SCHEME.verify(Incoming(svix, b"{}"), NOW)
    mixed = {**svix, "webhook-id": svix.pop("svix-id")}
    with pytest.raises(NotVerified):
        SCHEME.verify(Incoming(mixed, b"{}"), NOW)


def test_all_secrets_sign() -> None:
    """A holder of the old secret alone can check what a rotation signs."""
    old = b"whsec_" + base64.b64encode(bytes(32))
    signed = StandardWebhooks([SECRET.encode(), old]).sign(b"{}", "msg_1", NOW)
    StandardWebhooks([old]).verify(Incoming(signed.headers, b"{}"), NOW)


@pytest.mark.parametrize("changed", [{"webhook-id": "msg_2"}, {"webhook-timestamp": "1700000001"}])
def test_signature_covers_id_and_timestamp(changed: dict[str, str]) -> None:
    """Another id or time under the same signature is refused."""
    good = SCHEME.sign(b"{}", "msg_1", NOW).headers
    with pytest.raises(NotVerified):
        SCHEME.verify(Incoming({**good, **changed}, b"{}"), NOW)
