"""The `standardwebhooks` package verifies the deliveries that the relay signs."""

import base64
import json

import pytest
import standardwebhooks

from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Reply, Target

KEYS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
STRANGER = "whsec_" + base64.b64encode(b"\x03" * 32).decode()


@pytest.mark.parametrize(
    "body", [b'{"n": 1}', '{"who": "Trần Hưng Đạo"}'.encode(), b'{"n" : 1 }\n']
)
async def test_every_attempt_verifies_with_every_secret_of_a_rotation(
    site: Site, start_relay: StartRelay, target: Target, body: bytes
) -> None:
    """A receiver with the old or the new secret accepts each attempt, retries and new bodies."""
    hook = {"url": target.url, "retry": {"schedule": ["10ms"]}, "sign": {"secrets": KEYS}}
    site.configure({"hook": hook})
    site.route(
        "in",
        {
            "forward": [
                {"to": "hook", "name": "same"},
                {"to": "hook", "name": "new", "body": '{"got": body}'},
            ]
        },
    )
    target.script.append(Reply(500))
    relay = await start_relay(site)
    event_id = await relay.accepted("in", body)
    received = await target.wait_for(3)
    for request in received:
        assert request.id == event_id
        for key in KEYS:
            assert (
                standardwebhooks.Webhook(key).verify(request.body, dict(request.headers))
                is not None
            )
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(STRANGER).verify(request.body, dict(request.headers))
    assert {request.body for request in received} == {
        body,
        json.dumps({"got": json.loads(body)}, ensure_ascii=False, separators=(",", ":")).encode(),
    }


async def test_a_target_without_sign_gets_no_signature(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Nor does the sender's own `webhook-signature` go along: it would not match the relay's id."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    await relay.accepted("in", b"{}", {"webhook-id": "theirs", "webhook-signature": "v1,theirs"})
    (got,) = await target.wait_for(1)
    assert "webhook-signature" not in got.headers
    assert got.id != "theirs"
