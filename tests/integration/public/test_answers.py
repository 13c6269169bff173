"""The table of answers on the public listener: status, shape, count, and what is stored."""

import asyncio
import gzip
import time
from typing import Any

import pytest
from pysqlite3 import dbapi2
from slack_sdk.signature import SignatureVerifier

from tests.support.client import Answer
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import until

SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
BODY_LIMIT = 2048
SLACK_KEY = "8f742231b10e8888abcd99yyyzzz85a5"


def _write(site: Site, url: str, **limits: Any) -> None:
    site.configure({"hook": {"url": url}}, limits=limits)
    forward = [{"to": "hook"}]
    strict = {
        "payload": {"schema": "s.json"},
        "limits": {"body": f"{BODY_LIMIT}B"},
        "forward": forward,
    }
    by_id = {"id": 'headers["x-id"]'}
    token = {"scheme": "token", "header": "x-token", "secrets": ["open sesame"]}
    site.route("strict", {**strict, "event": by_id}, {"s.json": SCHEMA})
    site.route("any", {"forward": forward, "event": by_id, "limits": {"body": f"{BODY_LIMIT}B"}})
    site.route("silent", {"forward": forward, "respond": {"status": 204}})
    site.route("locked", {"verify": token, "forward": forward})
    site.route("limited", {"limits": {"rate": "3/h"}, "forward": forward})
    site.route("slack", {"verify": {"scheme": "slack", "secrets": [SLACK_KEY]}, "forward": forward})
    kept = {"schema": "s.json", "invalid": "quarantine"}
    site.route("kept", {"payload": kept, "forward": forward}, {"s.json": SCHEMA})


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    """Return a relay with a route for each kind of answer."""
    _write(site, target.url, body_timeout="200ms")
    return await start_relay(site)


def _is_problem(answer: Answer, status: int, reason: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), answer
    assert answer.json.keys() >= {"type", "title", "status", "detail"}
    assert (answer.json["status"], answer.json["reason"]) == (status, reason)


async def _is_rejected(
    relay: Running, answer: Answer, status: int, route: str, reason: str
) -> None:
    """Answered with a problem, counted once under its reason and under no other, and not stored."""
    _is_problem(answer, status, reason)
    counted = {
        labels: value
        for (name, labels), value in (await relay.series()).items()
        if _is_request(name)
    }
    assert sum(counted.values()) == 1
    outcome = {"route": route, "outcome": "rejected", "reason": reason}
    assert counted[frozenset(outcome.items())] == 1
    assert await relay.events() == []


def _is_request(name: str) -> bool:
    return name == "relay_requests_total"


async def test_an_accepted_event_is_answered_202_with_its_id_and_what_it_owes(
    relay: Running,
) -> None:
    """202 `{"id","deliveries"}`, stored, counted as accepted."""
    answer = await relay.post("strict", {"n": 1})
    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"id": answer.json["id"], "deliveries": 1}
    assert (await relay.event(answer.json["id"]))["route"] == "strict"
    assert (
        await relay.value("relay_requests_total", route="strict", outcome="accepted", reason="")
        == 1
    )


async def test_the_same_id_again_is_answered_200_with_the_first_events_id(
    relay: Running, target: Target
) -> None:
    """200 `{"id","duplicate":true}`, whatever the second body; the first is delivered once."""
    first = await relay.accepted("any", {"n": 1}, {"x-id": "a"})
    await relay.fate(first, "hook")
    for body in ({"n": 1}, {"n": 2}):
        answer = await relay.post("any", body, {"x-id": "a"})
        assert (answer.status, answer.json) == (200, {"id": first, "duplicate": True})
    assert [event["id"] for event in await relay.events()] == [first]
    assert [request.body for request in target.requests] == [b'{"n": 1}']
    assert (
        await relay.value("relay_requests_total", route="any", outcome="duplicate", reason="") == 2
    )


async def test_an_id_is_a_duplicate_after_a_restart_too(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """The ids that were seen are on disk."""
    _write(site, target.url)
    before = await start_relay(site)
    first = await before.accepted("any", {}, {"x-id": "a"})
    await before.fate(first, "hook")
    await before.stop()
    after = await start_relay(site)
    answer = await after.post("any", {}, {"x-id": "a"})
    assert (answer.status, answer.json) == (200, {"id": first, "duplicate": True})
    assert (await after.post("any", {}, {"x-id": "b"})).status == 202


async def test_ids_of_different_routes_do_not_meet(relay: Running) -> None:
    """An id counts for its route alone."""
    first = await relay.accepted("any", {"n": 1}, {"x-id": "a"})
    assert first != await relay.accepted("strict", {"n": 1}, {"x-id": "a"})


async def test_events_without_an_id_are_never_duplicates(relay: Running) -> None:
    """Where the sender gives no id, two equal requests are two events."""
    assert await relay.accepted("any", {"n": 1}) != await relay.accepted("any", {"n": 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"n": 1, "n": 2}',
        b'{"n": NaN}',
        b'{"n": 1e999}',
        b"\xff\xfe{}",
        b"[" * 1000 + b"]" * 1000,
    ],
    ids=["empty", "cut", "twice", "nan", "infinite", "not-utf8", "deep"],
)
async def test_a_body_that_is_not_strictly_json_is_answered_400(
    relay: Running, body: bytes
) -> None:
    """400 malformed, nothing stored, on a route that reads JSON."""
    await _is_rejected(relay, await relay.post("strict", body), 400, "strict", "malformed")


async def test_a_damaged_gzip_body_is_answered_400(relay: Running) -> None:
    """400 malformed, not 500."""
    body = gzip.compress(b'{"n": 1}')[:-4]
    answer = await relay.post("strict", body, {"content-encoding": "gzip"})
    await _is_rejected(relay, answer, 400, "strict", "malformed")


async def test_a_gzip_body_is_validated_and_passed_on_as_it_came(
    relay: Running, target: Target
) -> None:
    """Validation sees what is inside; the target gets the very bytes."""
    body = gzip.compress(b'{"n": 1}')
    await relay.accepted("strict", body, {"content-encoding": "gzip"})
    (got,) = await target.wait_for(1)
    assert (got.body, got.headers["content-encoding"]) == (body, "gzip")


@pytest.mark.parametrize("headers", [{}, {"x-token": "open sesamf"}, {"x-token": ""}])
async def test_what_is_not_verified_is_answered_401(
    relay: Running, headers: dict[str, str]
) -> None:
    """401, nothing stored, and the answer tells a stranger nothing about why."""
    answer = await relay.post("locked", {}, headers)
    await _is_rejected(relay, answer, 401, "locked", "not_verified")
    assert answer.json["detail"] == "the request could not be verified"
    assert b"x-token" not in answer.body


async def test_the_right_token_is_answered_202(relay: Running) -> None:
    """The pair of the test before: it is the token that makes the difference."""
    await relay.accepted("locked", {}, {"x-token": "open sesame"})


@pytest.mark.parametrize(
    "path", ["/", "/in/", "/in/nothing", "/in/any/", "/in/any/x", "/metrics", "/api/events"]
)
async def test_an_unknown_path_is_answered_404(relay: Running, path: str) -> None:
    """404; the admin side is not there either."""
    answer = await relay.request("POST", relay.public + path, b"{}")
    await _is_rejected(relay, answer, 404, "", "no_route")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_any_method_but_post_is_answered_405_with_allow(relay: Running, method: str) -> None:
    """405 with `Allow: POST` (RFC 9110 §15.5.6)."""
    answer = await relay.request(method, f"{relay.public}/in/any")
    await _is_rejected(relay, answer, 405, "any", "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_body_that_stops_coming_is_answered_408(relay: Running) -> None:
    """408 after `limits.body_timeout`, while the connection is still open."""
    answer = await relay.raw(b"POST /in/any HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
    await _is_rejected(relay, answer, 408, "any", "body_too_slow")


async def test_a_length_over_the_limit_is_answered_413_before_the_body_comes(
    relay: Running,
) -> None:
    """413 from the headers alone; nobody is told to continue."""
    answer = await relay.raw(
        b"POST /in/any HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n"
        b"expect: 100-continue\r\n\r\n"
    )
    await _is_rejected(relay, answer, 413, "any", "body_too_large")


async def test_a_chunked_body_over_the_limit_is_answered_413(relay: Running) -> None:
    """413 as soon as what has come is over the limit, though no length was given."""
    chunk = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    answer = await relay.raw(
        b"POST /in/any HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 3
    )
    await _is_rejected(relay, answer, 413, "any", "body_too_large")


async def test_a_gzip_bomb_is_answered_413(relay: Running) -> None:
    """413 where the plain body is over the limit, though the compressed one is not."""
    bomb = gzip.compress(b"[" + b" " * (64 << BODY_LIMIT.bit_length()) + b"]")
    assert len(bomb) < BODY_LIMIT
    answer = await relay.post("strict", bomb, {"content-encoding": "gzip"})
    await _is_rejected(relay, answer, 413, "strict", "body_too_large")


async def test_a_body_at_the_limit_is_accepted(relay: Running) -> None:
    """The limit itself is allowed."""
    await relay.accepted("any", b"x" * BODY_LIMIT)


async def test_a_body_one_byte_over_the_limit_is_answered_413(relay: Running) -> None:
    """One byte more is not."""
    answer = await relay.post("any", b"x" * (BODY_LIMIT + 1))
    await _is_rejected(relay, answer, 413, "any", "body_too_large")


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "application/xml"}, {"content-encoding": "br"}],
    ids=["type", "encoding"],
)
async def test_what_is_not_json_is_answered_415(relay: Running, headers: dict[str, str]) -> None:
    """415 for a media type or an encoding that the route doesn't read."""
    answer = await relay.post("strict", b'{"n": 1}', headers)
    await _is_rejected(relay, answer, 415, "strict", "unsupported_media_type")


async def test_an_invalid_payload_is_answered_422_with_the_places(relay: Running) -> None:
    """422 lists where the payload is wrong."""
    answer = await relay.post("strict", {"n": "one"})
    await _is_rejected(relay, answer, 422, "strict", "invalid")
    (place,) = answer.json["errors"]
    assert place["path"] == "n"
    assert "integer" in place["message"]


async def test_an_invalid_payload_on_a_route_that_keeps_them_is_quarantined(
    relay: Running, target: Target
) -> None:
    """202, stored as quarantined, owed to nobody, counted as quarantined."""
    bad = await relay.post("kept", {"n": "one"})
    good = await relay.accepted("kept", {"n": 1})
    assert (bad.status, bad.json["deliveries"]) == (202, 0)
    event = await relay.event(bad.json["id"])
    assert (event["quarantined"], event["deliveries"]) == (True, [])
    await relay.fate(good, "hook")
    assert [request.id for request in target.requests] == [good]
    assert (
        await relay.value("relay_requests_total", route="kept", outcome="quarantined", reason="")
        == 1
    )
    assert (
        await relay.value("relay_requests_total", route="kept", outcome="accepted", reason="") == 1
    )


async def test_a_providers_handshake_is_answered_as_it_wants_once_it_is_verified(
    relay: Running, target: Target
) -> None:
    """Slack's `url_verification`: 200 with the challenge, a handshake, not stored, not sent."""
    body = (
        b'{"type": "url_verification", "token": "old", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"}'
    )
    stamp = str(int(time.time()))
    signed = SignatureVerifier(SLACK_KEY).generate_signature(timestamp=stamp, body=body)
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": str(signed)}
    assert (await relay.post("slack", body)).status == 401
    answer = await relay.post("slack", body, headers)
    assert (answer.status, answer.json) == (200, {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9"})
    assert (
        await relay.value("relay_requests_total", route="slack", outcome="handshake", reason="")
        == 1
    )
    assert await relay.events() == []
    assert target.requests == []


async def test_more_than_a_routes_rate_is_answered_429(relay: Running) -> None:
    """429 with Retry-After, counted as refused; other routes are not affected."""
    answers = [await relay.post("limited", {"n": n}) for n in range(5)]
    statuses = [answer.status for answer in answers]
    assert 1 <= statuses.count(202) <= 3
    assert statuses == sorted(statuses)
    _is_problem(answers[-1], 429, "rate_limited")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
    labels = {"route": "limited", "outcome": "refused", "reason": "rate_limited"}
    assert await relay.value("relay_requests_total", **labels) == statuses.count(429)
    assert len(await relay.events()) == statuses.count(202)
    await relay.accepted("any", {})


async def test_a_route_may_answer_204(relay: Running, target: Target) -> None:
    """`respond: {status: 204}` answers without a body, and the event is stored and delivered."""
    answer = await relay.post("silent", {"n": 1})
    assert (answer.status, answer.body) == (204, b"")
    (got,) = await target.wait_for(1)
    assert got.body == b'{"n": 1}'


@pytest.mark.parametrize(
    "head",
    [b"content-length: 100\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n64\r\n{"],
    ids=["length", "chunked"],
)
async def test_a_body_that_breaks_off_stores_nothing(relay: Running, head: bytes) -> None:
    """The rest of the body never comes: counted as malformed, nothing stored."""
    host, _, port = relay.public.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /in/any HTTP/1.1\r\nhost: x\r\n" + head)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    labels = {"route": "any", "outcome": "rejected", "reason": "malformed"}
    await relay.until_value(1, "relay_requests_total", **labels)
    assert await relay.events() == []


async def test_more_commits_than_may_wait_are_answered_503(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """503 with Retry-After while `limits.waiting` commits wait; these are accepted."""
    _write(site, target.url, waiting=4)
    relay = await start_relay(site)
    await relay.fate(await relay.accepted("any", {"n": 0}), "hook")
    # By the library that the relay has: within one process, another one's locks would not hold.
    lock = dbapi2.connect(site.var / "relay.db", isolation_level=None)
    try:
        lock.execute(
            "BEGIN IMMEDIATE"
        )  # as a foreign program would: the relay's commit has to wait
        posts = [asyncio.create_task(relay.post("any", {"n": n})) for n in range(20)]
        first, _ = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        lock.rollback()
        lock.close()
    for refused in first:  # nothing can have been committed
        _is_problem(await refused, 503, "backlog_full")
        assert int((await refused).headers["retry-after"]) > 0
    statuses = [(await post).status for post in posts]
    assert set(statuses) == {202, 503}
    assert len(await relay.events()) == 1 + statuses.count(202)
    labels = {"route": "any", "outcome": "refused", "reason": "backlog_full"}
    assert await relay.value("relay_requests_total", **labels) == statuses.count(503)


async def test_an_event_that_cannot_be_stored_is_answered_503(relay: Running) -> None:
    """503 with Retry-After when the store is full, never a 2xx; until there is room again."""
    before = await relay.accepted("any", {"n": 0})
    await relay.fate(before, "hook")

    async def pages(limit: int) -> None:
        await relay.relay.store.database.write(
            lambda connection: connection.execute(f"PRAGMA max_page_count = {limit}")
        )

    await pages(1)  # SQLite takes no less than what it has
    answers = await asyncio.gather(*(relay.post("any", b"x" * BODY_LIMIT) for _ in range(20)))
    statuses = [answer.status for answer in answers]
    refused = await relay.post("any", b"x" * BODY_LIMIT)
    _is_problem(refused, 503, "store_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert b"database" not in refused.body
    await pages(1 << 30)
    after = await relay.accepted("any", {"n": 1})
    assert (await relay.fate(after, "hook"))["state"] == "delivered"
    stored = await relay.events()
    assert len(stored) == 2 + statuses.count(202)
    assert set(statuses) <= {202, 503}


async def test_a_relay_that_stops_answers_503_on_connections_that_are_open(
    relay: Running, target: Target
) -> None:
    """503 with Retry-After while it drains, so that the sender tries again later."""
    target.open.clear()  # an attempt is in flight, so that stopping takes its grace time
    await relay.accepted("any", {"n": 1})
    await target.wait_for(1)
    stopping = asyncio.create_task(relay.relay.stop())

    async def draining() -> bool:
        return relay.relay.server.draining

    await until(draining, "the relay to drain")
    refused = await relay.post("any", {"n": 2})
    target.open.set()
    await stopping
    relay._stopped = True
    _is_problem(refused, 503, "draining")
    assert int(refused.headers["retry-after"]) > 0
