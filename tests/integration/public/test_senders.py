"""Several senders on one route: a URL and secrets for each, and nobody can be another."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.support.client import JSON, Answer
from tests.support.process import StartProcess, run
from tests.support.running import Running, StartRelay
from tests.support.site import Site, free_port
from tests.support.target import Target

VERIFY = {"scheme": "hmac", "header": "x-signature"}


def _write(site: Site, url: str, *senders: str, **more: Any) -> None:
    site.configure({"hook": {"url": url}})
    folder = site.routes / "places"
    folder.mkdir(exist_ok=True)
    content = {
        "verify": VERIFY,
        "senders": {sender: {"secrets": [f"managed:{sender}"]} for sender in senders},
        "event": {"id": "body.id"},
        "forward": [{"to": "hook", "headers": {"x-sender": "event.sender"}}],
        **more,
    }
    (folder / "route.yaml").write_text(json.dumps(content))


async def _post(relay: Running, site: Site, path: str, secret: str, body: Any) -> Answer:
    data = json.dumps(body).encode()
    signature = hmac.new(site.secret(secret).encode(), data, hashlib.sha256).hexdigest()
    return await relay.post(path, data, {"x-signature": signature})


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    """Return a relay with a route for two senders."""
    _write(site, target.url, "hue", "vinh")
    return await start_relay(site)


async def test_each_sender_posts_to_its_own_url(relay: Running, site: Site, target: Target) -> None:
    """The event knows its sender: expressions, the store and the admin API tell it."""
    for sender in ("hue", "vinh"):
        answer = await _post(relay, site, f"places/{sender}", sender, {"id": "a"})
        assert answer.status == 202, "an id counts for its sender alone"
        assert (await relay.event(answer.json["id"]))["sender"] == sender
    assert {request.headers["x-sender"] for request in await target.wait_for(2)} == {"hue", "vinh"}


async def test_secret_of_another_sender_is_answered_401(relay: Running, site: Site) -> None:
    """The holder of one sender's secret can't speak as another."""
    answer = await _post(relay, site, "places/hue", "vinh", {"id": "a"})
    assert (answer.status, answer.json["reason"]) == (401, "not_verified")
    assert await relay.events() == []


async def test_urls_without_a_known_sender_are_answered_404(relay: Running, site: Site) -> None:
    """Neither the route's own path nor one with an unknown segment leads anywhere."""
    for path in ("places", "places/", "places/da-nang", "places/hue/", "places/hue/x"):
        assert (await _post(relay, site, path, "hue", {"id": "a"})).status == 404
    assert await relay.events() == []


async def test_reload_changes_the_senders(relay: Running, site: Site, target: Target) -> None:
    """A new sender is served, one that is gone is not; the others notice nothing."""
    _write(site, target.url, "vinh", "da-nang")
    answer = await relay.request("POST", f"{relay.admin}/api/reload", b"{}", JSON)
    assert answer.status == 200
    statuses = [
        (await _post(relay, site, f"places/{sender}", sender, {"id": "a"})).status
        for sender in ("hue", "vinh", "da-nang")
    ]
    assert statuses == [404, 202, 202]


async def test_every_senders_url_is_listed(relay: Running) -> None:
    """By the admin API and on the console."""
    (route,) = (await relay.api("routes"))["routes"]
    assert route["paths"] == ["/in/places/hue", "/in/places/vinh"]
    assert route["senders"] == ["hue", "vinh"]
    page = (await relay.request("GET", f"{relay.admin}/")).body.decode()
    assert all(f"POST {path}<" in page for path in route["paths"])


async def test_commands_know_senders(
    site: Site, target: Target, start_process: StartProcess
) -> None:
    """routes, send, try and test; a sender that is not named, or not there, is a usage error."""
    _write(site, target.url, "hue", "vinh")
    site.configure({"hook": {"url": target.url}}, listen=f"127.0.0.1:{free_port()}")
    samples = site.routes / "places" / "samples"
    samples.mkdir()
    sample = {
        "sender": "vinh",
        "body": {"id": "a"},
        "expect": {"hook": {"headers": {"x-sender": "vinh"}}},
    }
    (samples / "good.json").write_text(json.dumps(sample))
    body = site.root / "body.json"
    body.write_text('{"id": "b"}')
    await start_process(site)

    async def relay(command: str, *rest: str) -> Any:
        return await run(command, "--config", str(site.config), *rest, cwd=site.root)

    listed = await relay("routes")
    assert all(f"/in/places/{sender}" in listed.out for sender in ("hue", "vinh"))
    sent = await relay("send", "places", str(body), "--sender", "vinh", "--json")
    assert (sent.code, sent.json["status"]) == (0, 202)
    for command in ("send", "try"):
        assert (await relay(command, "places", str(body))).code == 2
        wrong = await relay(command, "places", str(body), "--sender", "da-nang")
        assert wrong.code == 2
        assert "hue, vinh" in wrong.err
    tried = await relay("try", "places", str(body), "--sender", "hue", "--json")
    assert tried.code == 0
    assert tried.json["requests"][0]["headers"]["x-sender"] == "hue"
    assert (await relay("test")).code == 0
    (samples / "nobody.json").write_text(json.dumps(sample | {"sender": "da-nang"}))
    failed = await relay("test")
    assert failed.code == 1
    assert "the route's senders: hue, vinh" in failed.out


# --- what a sender may send -----------------------------------------------------------------------

SCHEMA = '{"type": "object", "required": ["place"]}'
KEPT = {"schema": "s.json", "invalid": "quarantine"}


async def _relay_that_authorizes(
    site: Site, url: str, start_relay: StartRelay, **more: Any
) -> Running:
    _write(site, url, "hue", "vinh", authorize="body.place == event.sender", **more)
    (site.routes / "places" / "s.json").write_text(SCHEMA)
    return await start_relay(site)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"place": "vinh"}, "body.place == event.sender does not hold"),
        ({"plaze": "hue"}, "whether body.place == event.sender holds can't be told"),
        (["hue"], "whether body.place == event.sender holds can't be told"),
    ],
    ids=["for-another", "says-not", "no-object"],
)
async def test_what_a_sender_may_not_send_is_answered_403(
    site: Site, start_relay: StartRelay, target: Target, body: Any, why: str
) -> None:
    """403 with the rule, counted as rejected, nothing stored; also where the rule fails."""
    relay = await _relay_that_authorizes(site, target.url, start_relay)
    answer = await _post(relay, site, "places/hue", "hue", body)
    assert (answer.status, answer.json["reason"]) == (403, "forbidden")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["detail"].startswith(f"hue may not send this: {why}")
    assert await relay.events() == []
    labels = {"route": "places", "outcome": "rejected", "reason": "forbidden"}
    assert await relay.value("relay_requests_total", **labels) == 1
    assert (await _post(relay, site, "places/hue", "hue", {"place": "hue"})).status == 202


async def test_stranger_learns_nothing_of_the_rule(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A sender that is not verified is answered 401, whatever the body says."""
    relay = await _relay_that_authorizes(site, target.url, start_relay)
    answer = await _post(relay, site, "places/hue", "vinh", {"place": "vinh"})
    assert answer.status == 401
    assert b"body.place" not in answer.body


async def test_event_in_quarantine_is_let_out_only_if_its_sender_may(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """An event that is not valid can't be judged; it is judged when it is released."""
    relay = await _relay_that_authorizes(site, target.url, start_relay, payload=KEPT)
    quarantined = (await _post(relay, site, "places/hue", "hue", {"plaze": "hue"})).json["id"]
    (site.routes / "places" / "s.json").write_text("{}")
    assert (await relay.request("POST", f"{relay.admin}/api/reload", b"{}", JSON)).status == 200
    release = f"{relay.admin}/api/replay", json.dumps({"id": quarantined}).encode(), JSON
    answer = await relay.request("POST", *release)
    assert answer.status == 422
    assert "hue may not send this" in answer.json["detail"]
    _write(site, target.url, "hue", authorize='event.sender == "hue"', payload=KEPT)
    assert (await relay.request("POST", f"{relay.admin}/api/reload", b"{}", JSON)).status == 200
    assert (await relay.request("POST", *release)).json["replayed"] == ["hook"]
