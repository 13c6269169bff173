"""Signatures against the providers' own libraries: each side accepts what the other signs."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
import standardwebhooks
import stripe
from slack_sdk.signature import Clock, SignatureVerifier

from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER_KEY = "whsec_" + base64.b64encode(b"another key, another key, anothe").decode()
STRIPE_KEY = "whsec_test_only_not_base64"
SLACK_KEY = "8f742231b10e8888abcd99yyyzzz85a5"
BODY = json.dumps(
    {"id": "evt_1", "object": "event", "type": "invoice.paid", "who": "Trần Hưng Đạo"}
).encode()
TOLERANCE = 300

Sign = Callable[[bytes, int], Mapping[str, str]]


class _FixedClock(Clock):
    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> float:
        return float(self._at)


def _standard(body: bytes, at: int) -> Mapping[str, str]:
    signed = standardwebhooks.Webhook(KEY).sign(
        "msg_1", datetime.fromtimestamp(at, UTC), body.decode()
    )
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signed}


def _stripe(body: bytes, at: int) -> Mapping[str, str]:
    signed = stripe.WebhookSignature._compute_signature(f"{at}.{body.decode()}", STRIPE_KEY)
    header = f"t={at},v1={signed},v0={'0' * 64}"
    if at == int(time.time()):
        assert stripe.Webhook.construct_event(body, header, STRIPE_KEY).id == "evt_1"
    return {"stripe-signature": header}


def _slack(body: bytes, at: int) -> Mapping[str, str]:
    verifier = SignatureVerifier(SLACK_KEY, _FixedClock(at))
    signed = verifier.generate_signature(timestamp=str(at), body=body)
    assert signed is not None
    assert verifier.is_valid(body, str(at), signed)
    return {"x-slack-signature": signed, "x-slack-request-timestamp": str(at)}


SCHEMES: dict[str, tuple[str, Sign]] = {
    "standard-webhooks": (KEY, _standard),
    "stripe": (STRIPE_KEY, _stripe),
    "slack": (SLACK_KEY, _slack),
}
pytestmark = pytest.mark.parametrize("scheme", SCHEMES)


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target, scheme: str) -> Running:
    """Return a relay whose route `in` has the scheme, with an older secret before its own."""
    secret, _ = SCHEMES[scheme]
    site.configure({"hook": {"url": target.url}})
    older = OTHER_KEY if scheme == "standard-webhooks" else "an older secret"
    verify = {"scheme": scheme, "secrets": [older, secret]}
    site.route("in", {"verify": verify, "event": {"dedupe": "1ms"}, "forward": [{"to": "hook"}]})
    return await start_relay(site)


async def test_what_the_providers_library_signs_is_accepted(
    relay: Running, target: Target, scheme: str
) -> None:
    """202, and the signature goes along unchanged, so that the target could verify it too."""
    headers = SCHEMES[scheme][1](BODY, int(time.time()))
    await relay.accepted("in", BODY, headers)
    (got,) = await target.wait_for(1)
    assert got.body == BODY
    own = {name for name in headers if name.startswith("webhook-")}  # there, the relay signs itself
    assert {name: got.headers.get(name) for name in headers.keys() - own} == {
        name: value for name, value in headers.items() if name not in own
    }


@pytest.mark.parametrize("place", [0, len(BODY) // 2, len(BODY) - 1])
async def test_one_byte_changed_in_the_body_is_answered_401(
    relay: Running, scheme: str, place: int
) -> None:
    """401, wherever the byte stands."""
    headers = SCHEMES[scheme][1](BODY, int(time.time()))
    changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    assert (await relay.post("in", changed, headers)).status == 401
    assert await relay.events() == []


async def test_one_character_changed_in_any_header_is_answered_401(
    relay: Running, scheme: str
) -> None:
    """401 for each header of the scheme: id, time and signature all count."""
    headers = SCHEMES[scheme][1](BODY, int(time.time()))
    for name, value in headers.items():
        spot = len(value) // 2
        changed = value[:spot] + ("1" if value[spot] != "1" else "2") + value[spot + 1 :]
        assert (await relay.post("in", BODY, {**headers, name: changed})).status == 401, name
    for name in headers:
        without = {other: value for other, value in headers.items() if other != name}
        assert (await relay.post("in", BODY, without)).status == 401, name
    assert await relay.events() == []


@pytest.mark.parametrize("sign", [-1, 1], ids=["old", "future"])
async def test_a_timestamp_beyond_the_tolerance_is_answered_401(
    relay: Running, scheme: str, sign: int
) -> None:
    """A rightly signed request is refused when its time is too far off, either way."""
    now = int(time.time())
    beyond = SCHEMES[scheme][1](BODY, now + sign * (TOLERANCE + 60))
    within = SCHEMES[scheme][1](BODY, now + sign * (TOLERANCE - 60))
    assert (await relay.post("in", BODY, beyond)).status == 401
    assert (await relay.post("in", BODY, within)).status == 202


async def test_another_secret_is_answered_401(
    relay: Running, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheme alone is not enough."""
    monkeypatch.setattr(
        f"{__name__}.KEY", "whsec_" + base64.b64encode(b"not the key " * 3).decode()
    )
    monkeypatch.setattr(f"{__name__}.STRIPE_KEY", "whsec_other")
    monkeypatch.setattr(f"{__name__}.SLACK_KEY", "other")
    assert (await relay.post("in", BODY, SCHEMES[scheme][1](BODY, int(time.time())))).status == 401
