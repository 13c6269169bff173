"""Deliveries on a real relay: attempts, waits and fates, and the requests that targets get."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Reply, StartTarget, Target
from tests.support.waiting import until

FAST = {"schedule": ["10ms", "10ms"]}
CLOCKS = 0.05  # seconds by which the wall clock of a date may differ from the monotonic one


def _write(site: Site, url: str, **hook: Any) -> None:
    site.configure({"hook": {"url": url, "retry": FAST, **hook}})
    site.route("in", {"forward": [{"to": "hook"}]})


async def test_a_failed_attempt_is_retried_with_the_same_id_until_it_succeeds(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """500, 500, 200: three attempts, one `webhook-id`, `relay-attempt` 1, 2, 3; then delivered."""
    _write(site, target.url)
    target.script.extend([Reply(500), Reply(500)])
    relay = await start_relay(site)
    event_id = await relay.accepted("in", b'{"n" :1}')
    delivery = await relay.fate(event_id, "hook")
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("delivered", 3, 200)
    assert [
        (failed["attempt"], failed["reason"], failed["status"]) for failed in delivery["failed"]
    ] == [
        (1, "unavailable", 500),
        (2, "unavailable", 500),
    ]
    assert [request.id for request in target.requests] == [event_id] * 3
    assert [request.headers["relay-attempt"] for request in target.requests] == ["1", "2", "3"]
    assert {request.body for request in target.requests} == {b'{"n" :1}'}
    retries = {"target": "hook", "outcome": "retry", "reason": "unavailable"}
    assert await relay.value("relay_attempts_total", **retries) == 2
    assert (
        await relay.value("relay_attempts_total", target="hook", outcome="delivered", reason="")
        == 1
    )
    assert await relay.value("relay_delivery_latency_seconds_count", target="hook") == 1


async def test_a_target_that_never_answers_leads_to_a_dead_letter_that_can_be_replayed(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """After the schedule: dead, `timeout`. Once the target is mended, a replay delivers it."""
    _write(site, target.url, timeout={"total": "100ms"}, retry={"schedule": ["10ms"]})
    target.open.clear()
    relay = await start_relay(site)
    event_id = await relay.accepted("in", {"n": 1})
    delivery = await relay.fate(event_id, "hook")
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("dead", "timeout", 2)
    assert [letter["event"] for letter in await relay.dead()] == [event_id]
    assert await relay.value("relay_dead_letters", target="hook", reason="timeout") == 1
    target.open.set()
    assert await relay.replay(event_id) == {"id": event_id, "replayed": ["hook"]}
    received = await target.wait_for(3)
    assert (received[2].id, received[2].headers["relay-attempt"]) == (event_id, "1")
    assert (await relay.fate(event_id, "hook"))["state"] == "delivered"
    assert await relay.dead() == []
    assert await relay.value("relay_dead_letters", target="hook", reason="timeout") == 0


async def test_410_is_dead_at_once_and_pauses_the_target(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """One attempt, reason `gone`; the next event waits until an operator resumes the target."""
    _write(site, target.url)
    target.script.append(Reply(410))
    relay = await start_relay(site)
    delivery = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("dead", "gone", 1)
    (hook,) = (await relay.api("targets"))["targets"]
    assert hook["paused"] is True
    waits = await relay.accepted("in", {})
    assert (await relay.event(waits))["deliveries"][0]["state"] == "pending"
    assert len(target.requests) == 1
    answer = await relay.request("POST", f"{relay.admin}/api/targets/hook/resume")
    assert answer.status == 200, answer
    assert (await relay.fate(waits, "hook"))["state"] == "delivered"


async def test_an_open_breaker_costs_no_attempt_and_loses_nothing(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """After two failures in a row the target is left alone: later events wait, then all arrive."""
    breaker = {"failures": 2, "cool_off": "500ms"}
    _write(site, target.url, retry={"schedule": ["1ms"] * 3}, breaker=breaker)
    target.script.extend([Reply(500), Reply(500)])
    relay = await start_relay(site)
    first = await relay.accepted("in", {"n": 1})
    await relay.until_value(2, "relay_breaker_state", target="hook")  # open
    later = [await relay.accepted("in", {"n": n}) for n in range(5)]
    for event_id in (first, *later):
        assert (await relay.fate(event_id, "hook"))["state"] == "delivered"
    assert [(await relay.fate(event_id, "hook"))["attempts"] for event_id in (first, *later)] == [
        3
    ] + [1] * 5
    assert target.requests[2].at - target.requests[1].at >= 0.5 - CLOCKS
    assert await relay.value("relay_breaker_state", target="hook") == 0


async def test_a_status_of_give_up_on_is_dead_at_once_and_others_are_retried(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """422 is dead after one attempt where it is listed; 400, which is not, is tried three times."""
    _write(site, target.url, give_up_on=[422])
    relay = await start_relay(site)
    target.otherwise = Reply(422, body=b"no such customer")
    listed = await relay.fate(await relay.accepted("in", {}), "hook")
    target.otherwise = Reply(400)
    other = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (listed["state"], listed["reason"], listed["attempts"]) == ("dead", "refused", 1)
    assert (listed["status"], listed["detail"]) == (422, "no such customer")
    assert (other["state"], other["reason"], other["attempts"]) == ("dead", "refused", 3)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_holds_the_whole_target(
    site: Site, start_relay: StartRelay, target: Target, status: int, form: str
) -> None:
    """Neither that delivery, nor one accepted later, is attempted before the time asked for."""
    _write(site, target.url)
    date = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    value = "1" if form == "seconds" else format_datetime(date, usegmt=True)
    target.script.append(Reply(status, {"retry-after": value}))
    relay = await start_relay(site)
    first = await relay.accepted("in", {"n": 1})
    reason = "throttled" if status == 429 else "unavailable"
    labels = {"target": "hook", "outcome": "retry", "reason": reason}
    await relay.until_value(1, "relay_attempts_total", **labels)
    second = await relay.accepted("in", {"n": 2})
    received = await target.wait_for(3)
    wall_to_monotonic = time.monotonic() - time.time()
    earliest = received[0].at + 1.0 if form == "seconds" else date.timestamp() + wall_to_monotonic
    assert {request.id for request in received[1:]} == {first, second}
    assert min(request.at for request in received[1:]) >= earliest - CLOCKS
    assert (await relay.fate(first, "hook"))["state"] == "delivered"


async def test_a_target_that_asks_to_wait_holds_up_no_other(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """While one target waits for a minute, another gets its deliveries."""
    slow, quick = await start_target(), await start_target()
    slow.otherwise = Reply(429, {"retry-after": "60"})
    site.configure({"slow": {"url": slow.url}, "quick": {"url": quick.url}})
    site.route("in", {"forward": [{"to": "slow"}, {"to": "quick"}]})
    relay = await start_relay(site)
    for n in range(5):
        event_id = await relay.accepted("in", {"n": n})
        assert (await relay.fate(event_id, "quick"))["state"] == "delivered"
    assert await relay.value("relay_pending_deliveries", target="slow") == 5
    assert await relay.value("relay_pending_deliveries", target="quick") == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    site: Site, start_relay: StartRelay, target: Target, status: int
) -> None:
    """Tried again by schedule, never at the other place, then dead with reason `redirected`."""
    _write(site, target.url)
    target.otherwise = Reply(status, {"location": target.url.replace("/hook", "/elsewhere")})
    relay = await start_relay(site)
    delivery = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == (
        "dead",
        "redirected",
        3,
    )
    assert {request.path for request in target.requests} == {"/hook"}


async def test_a_target_where_nobody_listens_is_retried_then_dead(
    site: Site, start_relay: StartRelay, refused_url: str
) -> None:
    """Reason `connection`."""
    _write(site, refused_url)
    relay = await start_relay(site)
    delivery = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == (
        "dead",
        "connection",
        3,
    )


TRANSFORMS = """
def breaks(event):
    return {"n": event.body["missing"]}

def drops(event):
    return None

def doubles(event):
    return {"n": event.body["n"] * 2}
"""


async def test_a_transform_that_raises_kills_its_own_delivery_alone(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """Dead, `transform_failed`, naming the line; the event's other deliveries arrive."""
    broken, good = await start_target(), await start_target()
    site.configure({"broken": {"url": broken.url}, "good": {"url": good.url}})
    forwards = [
        {"to": "broken", "transform": "t.py:breaks"},
        {"to": "good", "transform": "t.py:doubles"},
        {"to": "good", "name": "same"},
    ]
    site.route("in", {"forward": forwards}, {"t.py": TRANSFORMS})
    relay = await start_relay(site)
    event_id = await relay.accepted("in", {"n": 4})
    delivery = await relay.fate(event_id, "broken")
    assert (delivery["state"], delivery["reason"]) == ("dead", "transform_failed")
    assert "t.py:3" in delivery["detail"]
    assert {request.body for request in await good.wait_for(2)} == {b'{"n":8}', b'{"n": 4}'}
    assert broken.requests == []


async def test_a_transform_that_returns_none_drops_its_delivery(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """State `dropped`, counted so, nothing sent."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook", "transform": "t.py:drops"}]}, {"t.py": TRANSFORMS})
    relay = await start_relay(site)
    delivery = await relay.fate(await relay.accepted("in", {"n": 1}), "hook")
    assert (delivery["state"], delivery["reason"]) == ("dropped", "")
    assert (
        await relay.value("relay_attempts_total", target="hook", outcome="dropped", reason="") == 1
    )
    assert await relay.value("relay_pending_deliveries", target="hook") == 0
    assert target.requests == []


async def test_a_when_that_fails_is_an_error_of_its_forward_and_no_silent_no(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """Counted as `error` beside `owed` and `skipped`; the other forwards are not affected."""
    picky, good = await start_target(), await start_target()
    site.configure({"picky": {"url": picky.url}, "good": {"url": good.url}})
    site.route("in", {"forward": [{"to": "picky", "when": "body.n > 1"}, {"to": "good"}]})
    relay = await start_relay(site)
    answers = [await relay.post("in", {"n": n}) for n in ("text", 0, 2)]
    assert [answer.json["deliveries"] for answer in answers] == [1, 1, 2]
    for outcome in ("error", "skipped", "owed"):
        labels = {"route": "in", "target": "picky", "outcome": outcome}
        assert await relay.value("relay_forwards_total", **labels) == 1, outcome
    assert await relay.value("relay_forwards_total", route="in", target="good", outcome="owed") == 3
    await good.wait_for(3)
    assert [request.id for request in await picky.wait_for(1)] == [answers[2].json["id"]]


async def test_a_connection_is_kept_alive_and_reused(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Ten deliveries one after another come over one connection."""
    _write(site, target.url)
    relay = await start_relay(site)
    for n in range(10):
        await relay.fate(await relay.accepted("in", {"n": n}), "hook")
    assert len(target.requests) == 10
    assert len({request.port for request in target.requests}) == 1


async def test_end_to_end_headers_go_along_and_no_others(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """The sender's own arrive; framing, hop-by-hop, credentials and the relay's own do not."""
    site.configure({"hook": {"url": target.url, "headers": {"x-origin": "relay"}}})
    verify = {"scheme": "token", "header": "x-secret", "secrets": ["open sesame"]}
    site.route("in", {"verify": verify, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    answer = await relay.raw(
        b"POST /in/in HTTP/1.1\r\nHost: relay.example\r\nContent-Type: application/vnd.x+json\r\n"
        b"X-Secret: open sesame\r\nX-Kind: push\r\nX-Signature: sha256=00\r\n"
        b"X-Many: a\r\nX-Many: b\r\n"
        b"Cookie: session=1\r\nAuthorization: Basic Zm9v\r\nProxy-Authorization: Basic Zm9v\r\n"
        b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
        b"Trailer: x-t\r\nUpgrade: h2c\r\nwebhook-id: theirs\r\nrelay-attempt: 99\r\n"
        b"Relay-Route: theirs\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    assert answer.status == 202, answer
    (got,) = await target.wait_for(1)
    assert (got.method, got.body) == ("POST", b"{}")
    kept = {
        "content-type": "application/vnd.x+json",
        "x-kind": "push",
        "x-signature": "sha256=00",
        "x-many": "a, b",
        "x-origin": "relay",
        "webhook-id": answer.json["id"],
        "relay-attempt": "1",
        "relay-route": "in",
        "content-length": "2",
        "host": target.url.split("/")[2],
    }
    assert {name: got.headers.get(name) for name in kept} == kept
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    own = {"user-agent", "accept", "accept-encoding", "traceparent", "webhook-timestamp"}
    assert got.headers.keys() == kept.keys() | own


async def test_a_changed_body_takes_along_only_the_headers_that_the_forward_names(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """With a new body the sender's headers stay behind; the forward's own arrive."""
    site.configure({"hook": {"url": target.url}})
    forward = {
        "to": "hook",
        "body": '{"twice": body.n * 2}',
        "headers": {"x-kind": 'headers["x-kind"]'},
    }
    site.route("in", {"forward": [forward]})
    relay = await start_relay(site)
    await relay.accepted("in", {"n": 2}, {"x-kind": "push", "x-signature": "sha256=00"})
    (got,) = await target.wait_for(1)
    assert got.body == b'{"twice":4}'
    assert (got.headers["x-kind"], got.headers["content-type"]) == ("push", "application/json")
    assert "x-signature" not in got.headers


async def test_what_is_owed_to_a_removed_target_is_dead_after_the_restart(
    site: Site, start_relay: StartRelay, start_target: StartTarget
) -> None:
    """Dead, `target_removed`, whether it was in memory or waited for a retry; others go on."""
    hung, failing, kept = [await start_target() for _ in range(3)]
    failing.otherwise = Reply(500)
    hung.open.clear()
    hour = {"schedule": ["1h"]}
    site.configure(
        {
            "hung": {"url": hung.url, "concurrency": 1},
            "failing": {"url": failing.url, "retry": hour},
            "kept": {"url": kept.url},
        }
    )
    site.route("in", {"forward": [{"to": "hung"}, {"to": "failing"}, {"to": "kept"}]})
    relay = await start_relay(site)
    ids = [await relay.accepted("in", {"n": n}) for n in range(3)]
    await hung.wait_for(1)
    labels = {"target": "failing", "outcome": "retry", "reason": "unavailable"}
    await relay.until_value(3, "relay_attempts_total", **labels)
    await kept.wait_for(3)
    await relay.stop()

    site.configure({"kept": {"url": kept.url}})
    (site.routes / "in" / "route.yaml").write_text(
        '{"verify": {"scheme": "none"}, "forward": [{"to": "kept"}]}'
    )
    relay = await start_relay(site)
    for event_id in ids:
        for name in ("hung", "failing"):
            delivery = await relay.fate(event_id, name)
            assert (delivery["state"], delivery["reason"]) == ("dead", "target_removed")
        assert (await relay.fate(event_id, "kept"))["state"] == "delivered"
    assert await relay.value("relay_dead_letters", target="hung", reason="target_removed") == 3
    event_id = await relay.accepted("in", {"n": 4})
    assert (await relay.fate(event_id, "kept"))["state"] == "delivered"


async def test_a_retry_that_was_due_during_a_stop_is_made_after_it(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """The schedule outlives the process: attempt 2 follows attempt 1 across a restart."""
    _write(site, target.url, retry={"schedule": ["200ms"]})
    target.script.append(Reply(500))
    relay = await start_relay(site)
    event_id = await relay.accepted("in", {"n": 1})
    labels = {"target": "hook", "outcome": "retry", "reason": "unavailable"}
    await relay.until_value(1, "relay_attempts_total", **labels)
    await relay.stop()
    relay = await start_relay(site)
    delivery = await relay.fate(event_id, "hook")
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert [request.headers["relay-attempt"] for request in target.requests] == ["1", "2"]
    assert [failed["status"] for failed in delivery["failed"]] == [500]


BACKLOG = 3000
CAPACITY = 600  # deliveries for which one MiB has room at most, and some to spare


async def test_a_backlog_is_accepted_counted_bounded_in_memory_and_delivered_once(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """3,000 events behind a blocked target: all pending, few in memory; later each arrives once."""
    hook = {"url": target.url, "concurrency": 1, "timeout": {"total": "5m"}}
    site.configure({"hook": hook}, limits={"memory": "1MiB"})
    site.route("in", {"forward": [{"to": "hook"}]})
    target.open.clear()
    relay = await start_relay(site)
    blocked = await relay.accepted("in", {"n": -1})
    await target.wait_for(1)
    ids = {
        blocked,
        *await asyncio.gather(*(relay.accepted("in", {"n": n}) for n in range(BACKLOG - 1))),
    }
    assert len(ids) == BACKLOG
    assert await relay.value("relay_pending_deliveries", target="hook") == BACKLOG
    assert await relay.value("relay_oldest_pending_seconds", target="hook") > 0
    assert 0 < relay.relay.lanes["hook"].in_memory <= CAPACITY
    target.open.set()
    await relay.until_value(0, "relay_pending_deliveries", target="hook")
    assert len(target.requests) == BACKLOG
    assert {request.id for request in target.requests} == ids


async def test_deliveries_run_beside_each_other_up_to_the_targets_concurrency(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """With `concurrency: 3`, exactly three of ten are in flight at a blocked target."""
    _write(site, target.url, concurrency=3)
    target.open.clear()
    relay = await start_relay(site)
    await asyncio.gather(*(relay.accepted("in", {"n": n}) for n in range(10)))
    await target.wait_for(3)

    async def all_pending() -> bool:
        return await relay.value("relay_pending_deliveries", target="hook") == 10

    await until(all_pending, "all ten to be pending")
    assert len(target.requests) == 3
    target.open.set()
    await target.wait_for(10)


async def test_a_target_that_resets_the_connection_is_retried(
    site: Site, start_relay: StartRelay
) -> None:
    """A connection that ends without an answer is a failed attempt with reason `connection`."""
    dialled = 0

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dialled
        dialled += 1
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        _write(site, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        relay: Running = await start_relay(site)
        delivery = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == (
        "dead",
        "connection",
        3,
    )
    assert dialled == 3


async def test_an_address_that_egress_refuses_is_dead_at_once_and_never_dialled(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """With `egress: public` a name that leads to loopback is not dialled: dead, `blocked`."""
    site.configure({"hook": {"url": target.url.replace("127.0.0.1", "localhost")}}, egress="public")
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    fate = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "blocked", 1)
    assert "the relay does not dial" in fate["detail"]
    assert target.requests == []
