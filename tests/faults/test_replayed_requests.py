"""Somebody recorded a signed request, and sends it again: at once, later, with another body."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.process import StartProcess
from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target

pytestmark = pytest.mark.fault(32)

KEY = b"0123456789abcdef0123456789abcdef"
BODY = b'{"id": "one", "event_id": "one", "n": 1}'
HMAC = {
    "scheme": "hmac", "header": "x-signature", "secrets": [KEY.decode()],
    "timestamp": {"header": "x-time"},
}  # fmt: skip
Signed = Mapping[str, str]


def _mac(message: bytes) -> str:
    return hmac.digest(KEY, message, hashlib.sha256).hex()


def _standard(body: bytes, at: int) -> Signed:
    mac = base64.b64encode(hmac.digest(KEY, b"one.%d.%s" % (at, body), hashlib.sha256)).decode()
    return {"webhook-id": "one", "webhook-timestamp": str(at), "webhook-signature": f"v1,{mac}"}


def _stripe(body: bytes, at: int) -> Signed:
    return {"stripe-signature": f"t={at},v1={_mac(b'%d.%s' % (at, body))}"}


def _slack(body: bytes, at: int) -> Signed:
    mac = _mac(b"v0:%d:%s" % (at, body))
    return {"x-slack-signature": f"v0={mac}", "x-slack-request-timestamp": str(at)}


def _with_token(body: bytes, at: int) -> Signed:
    return {"x-signature": _mac(b"%d.one.%s" % (at, body)), "x-time": str(at), "x-token": "one"}


def _without_id(body: bytes, at: int) -> Signed:
    return {"x-signature": _mac(b"%d.%s" % (at, body)), "x-time": str(at)}


# The route's settings, how a request is signed, and whether the id hangs on the time of signing.
SCHEMES: dict[str, tuple[dict[str, Any], Callable[[bytes, int], Signed], bool]] = {
    "standard-webhooks": (
        {
            "verify": {
                "scheme": "standard-webhooks",
                "secrets": ["whsec_" + base64.b64encode(KEY).decode()],
            }
        },
        _standard,
        False,
    ),
    "stripe": ({"verify": {"scheme": "stripe", "secrets": [KEY.decode()]}}, _stripe, False),
    "slack": ({"verify": {"scheme": "slack", "secrets": [KEY.decode()]}}, _slack, False),
    "token that is signed": (
        {"verify": {**HMAC, "id": {"header": "x-token"}, "signed": "{timestamp}.{id}.{body}"}},
        _with_token,
        False,
    ),
    # A sender without ids: its signature is the token that counts once.
    "signature as the id": (
        {
            "verify": {**HMAC, "signed": "{timestamp}.{body}"},
            "event": {"id": 'headers["x-signature"]'},
        },
        _without_id,
        True,
    ),
}
each_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def _write(site: Site, target: Target, scheme: str) -> Callable[[bytes, int], Signed]:
    settings, sign, _ = SCHEMES[scheme]
    site.configure({"hook": {"url": target.url}})
    site.route("in", {**settings, "forward": [{"to": "hook"}]})
    return sign


@each_scheme
async def test_request_of_ten_minutes_ago_is_refused(
    site: Site, start_relay: StartRelay, target: Target, scheme: str
) -> None:
    """An old request gets 401 and is not stored, however rightly it is signed.

    With another time written into it, it gets 401 too.
    """
    sign = _write(site, target, scheme)
    relay = await start_relay(site)
    now = int(time.time())
    old = sign(BODY, now - 600)
    assert (await relay.post("in", BODY, old)).status == 401
    fresh = {name: value.replace(str(now - 600), str(now)) for name, value in old.items()}
    assert (await relay.post("in", BODY, fresh)).status == 401
    assert await relay.events() == []
    assert target.requests == []


@each_scheme
async def test_request_that_comes_again_is_not_delivered_again(
    site: Site, start_process: StartProcess, target: Target, scheme: str
) -> None:
    """Within the tolerance a repeated request gets 200 and the first one's id.

    So it does after a restart.
    """
    sign = _write(site, target, scheme)
    signed = sign(BODY, int(time.time()))
    process = await start_process(site)
    client = Client(process.public, process.admin)
    try:
        event_id = await client.accepted("in", BODY, signed)
        again = await client.post("in", BODY, signed)
        assert (again.status, again.json) == (200, {"id": event_id, "duplicate": True})
        await client.fate(event_id, "hook")
    finally:
        await client.close()
    await process.kill()
    process = await start_process(site)
    client = Client(process.public, process.admin)
    try:
        again = await client.post("in", BODY, signed)
        assert (again.status, again.json) == (200, {"id": event_id, "duplicate": True})
    finally:
        await client.close()
    assert await process.terminate() == 0
    assert [request.id for request in target.requests] == [event_id]


@each_scheme
async def test_signature_is_good_for_no_other_body(
    site: Site, start_relay: StartRelay, target: Target, scheme: str
) -> None:
    """A recorded token, id or signature over another body: 401."""
    sign = _write(site, target, scheme)
    relay = await start_relay(site)
    signed = sign(BODY, int(time.time()))
    await relay.accepted("in", BODY, signed)
    assert (await relay.post("in", BODY.replace(b"1", b"2"), signed)).status == 401
    await target.wait_for(1)
    assert [request.body for request in target.requests] == [BODY]


@pytest.mark.parametrize(
    "scheme", [name for name, (_, _, by_time) in SCHEMES.items() if not by_time]
)
async def test_token_that_was_used_counts_once(
    site: Site, start_relay: StartRelay, target: Target, scheme: str
) -> None:
    """An id that was seen is delivered no second time, even with a new body rightly signed."""
    sign = _write(site, target, scheme)
    relay = await start_relay(site)
    now = int(time.time())
    event_id = await relay.accepted("in", BODY, sign(BODY, now - 1))
    other = json.dumps({**json.loads(BODY), "n": 2}).encode()
    again = await relay.post("in", other, sign(other, now))
    assert (again.status, again.json) == (200, {"id": event_id, "duplicate": True})
    assert (await relay.fate(event_id, "hook"))["state"] == "delivered"
    assert [request.body for request in target.requests] == [BODY]
