"""Secrets are rotated without a gap: two at once both ways, and a dropped one is refused."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target

OLD, NEW, OTHER = (
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "whsec_plJ3nmyCDGBKInavdOK15jsl4rTHYQ01",
)


def write(site: Site, target: Target, incoming: list[str], outgoing: list[str]) -> None:
    site.configure({"hook": {"url": target.url, "sign": {"secrets": outgoing}}})
    for path in site.routes.glob("*/route.yaml"):
        path.unlink()
        path.parent.rmdir()
    for name in ("github", "hmac", "token", "basic", "standard"):
        options: dict[str, Any] = {"scheme": name}
        if name == "hmac":
            options["header"] = "x-signature"
        if name == "basic":
            options["username"] = "u"
        if name == "standard":
            options["scheme"] = "standard-webhooks"
        site.route(name, {"verify": {**options, "secrets": incoming}, "forward": [{"to": "hook"}]})


def headers(scheme: str, secret: str, body: bytes) -> dict[str, str]:
    """Return what a sender with this secret sends."""
    mac = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    match scheme:
        case "github":
            return {"x-hub-signature-256": f"sha256={mac}"}
        case "hmac":
            return {"x-signature": mac}
        case "token":
            return {"authorization": f"Bearer {secret}"}
        case "basic":
            return {"authorization": "Basic " + base64.b64encode(f"u:{secret}".encode()).decode()}
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1" + mac[:6], now, body.decode())
    return {
        "webhook-id": "msg_1" + mac[:6],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


async def status(relay: Running, scheme: str, secret: str) -> int:
    body = b'{"n": 1}'
    return (await relay.post(scheme, body, headers(scheme, secret, body))).status


@pytest.mark.parametrize("scheme", ["github", "hmac", "token", "basic", "standard"])
async def test_incoming_secrets_rotate_in_both_directions(
    site: Site, start_relay: StartRelay, target: Target, scheme: str
) -> None:
    """Old alone, both in either order, new alone: holders of a listed secret are believed."""
    write(site, target, [OLD], [OLD])
    relay = await start_relay(site)
    for listed in ([OLD], [OLD, NEW], [NEW, OLD], [NEW]):
        write(site, target, listed, [OLD])
        assert (await relay.request("POST", f"{relay.admin}/api/reload")).status == 200
        found = {secret: await status(relay, scheme, secret) for secret in (OLD, NEW, OTHER)}
        accepted = {secret for secret, answer in found.items() if answer in {200, 202}}
        assert accepted == set(listed), listed
        assert {answer for secret, answer in found.items() if secret not in listed} == {401}


async def test_outgoing_secrets_rotate_without_a_gap(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """With two secrets the standard's own library verifies with either, not with a dropped one."""
    write(site, target, [OLD], [OLD])
    relay = await start_relay(site)
    for n, listed in enumerate(([OLD], [OLD, NEW], [NEW])):
        write(site, target, [OLD], listed)
        assert (await relay.request("POST", f"{relay.admin}/api/reload")).status == 200
        await relay.accepted("token", {"n": n}, headers("token", OLD, b""))
        request = (await target.wait_for(n + 1))[n]
        verified = {
            secret
            for secret in (OLD, NEW, OTHER)
            if _verifies(secret, request.headers, request.body)
        }
        assert verified == set(listed)


def _verifies(secret: str, got: Any, body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(got))
    except WebhookVerificationError:
        return False
    return True
