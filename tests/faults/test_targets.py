"""Faults of a target, and what becomes of the delivery, of the connection, and of others."""

import resource
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from relay.sink import faults
from relay.sink.faults import Fault
from relay.sink.request import Heard
from tests.faults.targets import FaultyTarget, StartFaulty, self_signed
from tests.support.client import Client
from tests.support.process import StartProcess
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target

QUICK = {"timeout": {"connect": "2s", "total": "300ms"}, "retry": {"schedule": ["10ms", "10ms"]}}
PATIENT = {"timeout": {"total": "30s"}}
BREAKER = {"breaker": {"failures": 1000}}
MEMORY = 64 << 10  # KiB by which the process may grow at most over a flood


async def start(
    start_relay: StartRelay, site: Site, target: FaultyTarget, **settings: Any
) -> Running:
    site.configure({"hook": {"url": target.url, **QUICK, **BREAKER, **settings}})
    site.route("in", {"forward": [{"to": "hook"}]})
    return await start_relay(site)


FAILING = [
    pytest.param(faults.Hang(), "timeout", marks=pytest.mark.fault(9)),
    pytest.param(faults.Stall(30), "timeout", marks=pytest.mark.fault(9)),
    pytest.param(faults.TrickleHead(0.01), "timeout", marks=pytest.mark.fault(10)),
    pytest.param(faults.Reset(), "connection", marks=pytest.mark.fault(11)),
    pytest.param(faults.Close(), "connection", marks=pytest.mark.fault(11)),
    pytest.param(faults.HalfHead(), "connection", marks=pytest.mark.fault(11)),
    pytest.param(faults.Garbage(), "connection", marks=pytest.mark.fault(11)),
    pytest.param(faults.ManyHeaders(), "connection", marks=pytest.mark.fault(12)),
    pytest.param(faults.EndlessHead(), "connection", marks=pytest.mark.fault(12)),
    pytest.param(faults.EndlessBody(500), "unavailable", marks=pytest.mark.fault(12)),
    pytest.param(faults.GzipBomb(500), "unavailable", marks=pytest.mark.fault(12)),
    pytest.param(faults.InterimFlood(), "timeout", marks=pytest.mark.fault(10)),
    *(
        pytest.param(faults.Redirect(n), "redirected", marks=pytest.mark.fault(13))
        for n in (301, 302, 303, 307, 308)
    ),
    *(
        pytest.param(faults.Status(n), "refused", marks=pytest.mark.fault(16))
        for n in (400, 401, 404, 422, 451)
    ),
    *(
        pytest.param(faults.Status(n), "unavailable", marks=pytest.mark.fault(16))
        for n in (500, 502, 503, 504, 599)
    ),
    pytest.param(faults.Status(429), "throttled", marks=pytest.mark.fault(15)),
]


@pytest.mark.parametrize(("fault", "reason"), FAILING, ids=repr)
async def test_failure_is_retried_by_schedule_then_dead_with_its_reason(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, fault: Fault, reason: str
) -> None:
    """Three attempts, each a request with its own number; then dead by the closed list's reason."""
    target = await start_faulty(fault)
    relay = await start(start_relay, site, target)
    fate = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", reason, 3)
    assert target.attempts == [1, 2, 3]
    assert {request.path for request in target.requests} == {"/hook"}


DELIVERED = [
    pytest.param(faults.EndlessBody(), marks=pytest.mark.fault(12)),
    pytest.param(faults.GzipBomb(), marks=pytest.mark.fault(12)),
    pytest.param(faults.ShortBody(), marks=pytest.mark.fault(11)),
]


@pytest.mark.parametrize("fault", DELIVERED, ids=repr)
async def test_status_decides_whatever_the_body_is(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, fault: Fault
) -> None:
    """A 200 is a delivery, however long, compressed or short its body; it is made once."""
    target = await start_faulty(fault)
    relay = await start(start_relay, site, target, **PATIENT)
    fate = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (fate["state"], fate["attempts"]) == ("delivered", 1)
    assert target.attempts == [1]


@pytest.mark.fault(10)
async def test_trickled_body_frees_its_slot_soon(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty
) -> None:
    """A 200 is enough: its body is waited for shortly, not for the whole timeout, and not again."""
    target = await start_faulty(faults.TrickleBody(0.01))
    relay = await start(start_relay, site, target, concurrency=1, timeout={"total": "1h"})
    for n in range(2):
        fate = await relay.fate(await relay.accepted("in", {"n": n}), "hook")
        assert (fate["state"], fate["attempts"]) == ("delivered", 1)


@pytest.mark.fault(12)
async def test_endless_bodies_cost_no_memory(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty
) -> None:
    """Thirty answers without end: each is read to a cap and closed."""
    target = await start_faulty(faults.EndlessBody())
    relay = await start(start_relay, site, target, **PATIENT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ids = [await relay.accepted("in", {"n": n}) for n in range(30)]
    for event_id in ids:
        assert (await relay.fate(event_id, "hook"))["state"] == "delivered"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY


@pytest.mark.fault(11)
async def test_surplus_after_an_answer_is_no_answer_to_the_next(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty
) -> None:
    """Bytes beyond the content-length are never the next delivery's answer (here they say 500)."""
    target = await start_faulty(faults.LongBody())
    relay = await start(start_relay, site, target, concurrency=1)
    for n in range(5):
        fate = await relay.fate(await relay.accepted("in", {"n": n}), "hook")
        assert fate["state"] == "delivered"
        assert "unavailable" not in {failed["reason"] for failed in fate["failed"]}


@pytest.mark.fault(11)
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_kept_connection_that_breaks_costs_no_attempt(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, method: str
) -> None:
    """The request goes once more, on a fresh connection, under the same id and number."""

    class Every2nd:
        """Answers the odd requests, and closes the connection on the even ones."""

        async def answer(self, heard: Heard, writer: Any) -> bool:
            return await faults.Status().answer(heard, writer) if heard.number % 2 else False

    target = await start_faulty(Every2nd())
    relay = await start(start_relay, site, target, method=method, concurrency=1)
    for n in range(4):
        fate = await relay.fate(await relay.accepted("in", {"n": n}), "hook")
        assert fate["state"] == "delivered"
    seen = [
        (request.headers["webhook-id"], request.headers["relay-attempt"])
        for request in target.requests
    ]
    ids = list(dict.fromkeys(webhook_id for webhook_id, _ in seen))
    # Each connection takes one request, and closes on the next, which comes again at once.
    assert seen == [(ids[0], "1"), *((webhook_id, "1") for webhook_id in ids[1:] for _ in range(2))]


@pytest.mark.fault(11)
async def test_bad_tls_is_retried_then_dead(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, target: Target, tmp_path: Path
) -> None:
    """A certificate that nobody trusts, or a plain answer instead of TLS: `tls`, nothing sent."""
    untrusted = await start_faulty(faults.Status(), await self_signed(tmp_path))
    urls = {"untrusted": untrusted.url, "plain": target.url.replace("http://", "https://")}
    quick = {"retry": {"schedule": ["10ms"]}}
    site.configure({name: {"url": url, **quick} for name, url in urls.items()})
    site.route("in", {"forward": [{"to": name} for name in urls]})
    relay = await start_relay(site)
    event_id = await relay.accepted("in", {})
    for name in urls:
        fate = await relay.fate(event_id, name)
        assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "tls", 2), name
    assert (untrusted.requests, target.requests) == ([], [])


async def test_delivery_over_tls_to_who_is_trusted(
    site: Site, start_process: StartProcess, start_faulty: StartFaulty, tmp_path: Path
) -> None:
    """A certificate that the system trusts (here by SSL_CERT_FILE) is taken; connections stay."""
    target = await start_faulty(faults.Status(), await self_signed(tmp_path))
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    process = await start_process(site, {"SSL_CERT_FILE": str(tmp_path / "cert.pem")})
    client = Client(process.public, process.admin)
    try:
        for n in range(3):
            fate = await client.fate(await client.accepted("in", {"n": n}), "hook")
            assert (fate["state"], fate["attempts"]) == ("delivered", 1)
    finally:
        await client.close()
    assert len({request.connection for request in target.requests}) == 1


@pytest.mark.fault(14)
async def test_gone_is_dead_at_once_and_pauses_the_target_for_good(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty
) -> None:
    """410: dead after one attempt; later deliveries wait, past a restart, until it is resumed."""
    target = await start_faulty(faults.Status(410))
    relay = await start(start_relay, site, target)
    fate = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "gone", 1)
    waiting = await relay.accepted("in", {})
    await relay.stop()
    again = await start_relay(site)
    assert await again.value("relay_target_paused", target="hook") == 1
    assert (await again.event(waiting))["deliveries"][0]["attempts"] == 0
    assert target.attempts == [1]
    answer = await again.request("POST", f"{again.admin}/api/targets/hook/resume")
    assert answer.json["paused"] is False
    assert (await again.fate(waiting, "hook"))["reason"] == "gone"


@pytest.mark.fault(16)
async def test_status_of_give_up_on_is_dead_at_once(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty
) -> None:
    """A target may name the statuses that no retry will mend."""
    target = await start_faulty(faults.Status(422))
    relay = await start(start_relay, site, target, give_up_on=[422])
    fate = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "refused", 1)


@pytest.mark.fault(15)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_holds_the_whole_target(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, status: int
) -> None:
    """After the second that it asks for, not after the schedule's 10 ms, both deliveries go."""
    target = await start_faulty(faults.RetryAfter("1", status))
    relay = await start(start_relay, site, target)
    first = await relay.accepted("in", {"n": 1})
    await target.wait_for(1)
    second = await relay.accepted("in", {"n": 2})
    for event_id in (first, second):
        assert (await relay.fate(event_id, "hook"))["state"] == "delivered"
    assert min(target.at[1:]) - target.at[0] >= 0.95


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "1e20",
        "soon",
        "",
        "1.5",
        "Wed, 21 Oct 1998 07:28:00 GMT",
        "Wed, 99 Foo 2026",
        "0",
        "\xa0\xff",
    ],
)
async def test_retry_after_that_says_nothing_leads_to_the_schedule(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, value: str
) -> None:
    """A value in the past, or none, is no wait; one that is no number and no date is ignored."""
    target = await start_faulty(faults.RetryAfter(value))
    relay = await start(start_relay, site, target)
    fate = await relay.fate(await relay.accepted("in", {}), "hook")
    assert (fate["state"], fate["attempts"]) == ("delivered", 2)


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "value", ["999999999999999999999999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "86400"]
)
async def test_retry_after_is_heeded_up_to_an_hour(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, value: str
) -> None:
    """Whoever asks for an age is asked again after an hour."""
    target = await start_faulty(faults.RetryAfter(value))
    relay = await start(start_relay, site, target)
    event_id = await relay.accepted("in", {})
    await target.wait_for(1)
    await relay.until_value(
        1, "relay_attempts_total", target="hook", outcome="retry", reason="throttled"
    )
    (delivery,) = (await relay.event(event_id))["deliveries"]
    assert delivery["state"] == "pending"
    due, tried = delivery["due"], delivery["failed"][0]["at"]
    assert _seconds(due) - _seconds(tried) == pytest.approx(3600, abs=5)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@pytest.mark.fault(9)
@pytest.mark.fault(28)
async def test_hanging_target_holds_up_no_other(
    site: Site, start_relay: StartRelay, start_faulty: StartFaulty, target: Target
) -> None:
    """While a target's slots all hang and thousands wait, another gets its events at once."""
    hanging = await start_faulty(faults.Hang())
    site.configure(
        {"hung": {"url": hanging.url, "timeout": {"total": "1h"}}, "fine": {"url": target.url}}
    )
    site.route("in", {"forward": [{"to": "hung"}]})
    site.route("other", {"forward": [{"to": "fine"}]})
    relay = await start_relay(site)
    for n in range(2000):
        await relay.accepted("in", {"n": n})
    await hanging.wait_for(16)
    for n in range(20):
        await relay.accepted("other", {"n": n})
        await target.wait_for(n + 1)
    assert await relay.value("relay_pending_deliveries", target="hung") == 2000
