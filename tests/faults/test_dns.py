"""Names that don't resolve, or slowly, or to other addresses, by a real name server on loopback."""

import socket
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest

from relay.http.egress import ANY, AddrInfo, Egress, guarded
from tests.support.nameserver import NO_ERROR, NXDOMAIN, SERVFAIL, NameServer
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Reply, Target
from tests.support.waiting import until

pytestmark = pytest.mark.fault(17)

DIALLED: list[str] = []


def only_loopback(info: AddrInfo) -> socket.socket:
    """Make a socket, and note for which address; no test may dial any but loopback."""
    host = str(info[4][0])
    DIALLED.append(host)
    assert host.startswith("127."), host
    loopback = socket.socket(info[0], info[1], info[2])
    loopback.setblocking(False)
    return loopback


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    """Return a name server that the relay's resolver asks."""
    server = NameServer()
    await server.start()
    resolver = partial(aiohttp.AsyncResolver, nameservers=[server.address], timeout=20, tries=1)
    monkeypatch.setattr("aiohttp.connector.DefaultResolver", resolver)

    def watched(egress: Egress = ANY) -> Any:
        return guarded(egress, only_loopback)

    monkeypatch.setattr("relay.targets.http.guarded", watched)
    DIALLED.clear()
    yield server
    server.close()


async def start(
    start_relay: StartRelay, site: Site, target: Target, *, total: str = "5s", retries: int = 1
) -> Running:
    """Start a relay with one target under a name, and one under an address."""
    named = target.url.replace("127.0.0.1", "hook.relay.test")
    quick = {
        "timeout": {"total": total},
        "retry": {"schedule": ["10ms"] * retries},
        "breaker": {"failures": 1000},
    }
    site.configure({"named": {"url": named, **quick}, "plain": {"url": target.url}})
    site.route("in", {"forward": [{"to": "named"}]})
    site.route("plain", {"forward": [{"to": "plain"}]})
    return await start_relay(site)


async def test_name_that_resolves_is_dialled(
    site: Site, start_relay: StartRelay, names: NameServer, target: Target
) -> None:
    """The name server is really asked; the Host header keeps the name."""
    names.addresses = ["127.0.0.1"]
    relay = await start(start_relay, site, target)
    fate = await relay.fate(await relay.accepted("in", {}), "named")
    assert fate["state"] == "delivered"
    assert target.requests[0].headers["host"].startswith("hook.relay.test:")
    assert names.asked > 0


@pytest.mark.parametrize(
    "code", [NXDOMAIN, SERVFAIL, NO_ERROR], ids=["NXDOMAIN", "SERVFAIL", "no address"]
)
async def test_name_that_does_not_resolve_is_retried_then_dead(
    site: Site, start_relay: StartRelay, names: NameServer, target: Target, code: int
) -> None:
    """Two attempts by schedule, then dead: `dns`."""
    names.code = code
    relay = await start(start_relay, site, target)
    fate = await relay.fate(await relay.accepted("in", {}), "named")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "dns", 2)


async def test_name_that_resolves_again_is_delivered(
    site: Site, start_relay: StartRelay, names: NameServer, target: Target
) -> None:
    """A failure is not remembered: the retry asks again."""
    names.code = SERVFAIL
    relay = await start(start_relay, site, target, retries=900)
    event_id = await relay.accepted("in", {})

    async def failed() -> bool:
        return (
            await relay.value("relay_attempts_total", target="named", outcome="retry", reason="dns")
            > 0
        )

    await until(failed, "an attempt to fail")
    names.addresses = ["127.0.0.1"]
    fate = await relay.fate(event_id, "named")
    assert fate["state"] == "delivered"
    assert {failed["reason"] for failed in fate["failed"]} == {"dns"}


async def test_silent_name_server_holds_up_nobody_and_ends_with_the_timeout(
    site: Site, start_relay: StartRelay, names: NameServer, target: Target
) -> None:
    """An attempt's timeout counts from before the name is resolved; others go meanwhile."""
    names.silent = True
    relay = await start(start_relay, site, target, total="300ms")
    event_ids = [await relay.accepted("in", {"n": n}) for n in range(20)]
    for n in range(10):
        await relay.accepted("plain", {"n": n})
        await target.wait_for(n + 1)
    for event_id in event_ids:
        fate = await relay.fate(event_id, "named")
        assert (fate["state"], fate["attempts"]) == ("dead", 2)
        assert fate["reason"] in {"timeout", "dns"}


async def test_name_that_moves_to_a_forbidden_address_is_not_dialled(
    site: Site,
    start_relay: StartRelay,
    names: NameServer,
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rebinding: the address that is dialled is the checked one; `blocked` is dead at once."""
    uncached = partial(aiohttp.TCPConnector, use_dns_cache=False)  # or the move is seen in 10 s
    monkeypatch.setattr("aiohttp.TCPConnector", uncached)
    names.addresses = ["127.0.0.1"]
    target.otherwise = Reply(200, {"connection": "close"})
    relay = await start(start_relay, site, target)
    assert (await relay.fate(await relay.accepted("in", {}), "named"))["state"] == "delivered"
    names.addresses = ["169.254.169.254"]
    fate = await relay.fate(await relay.accepted("in", {}), "named")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "blocked", 1)
    assert set(DIALLED) == {"127.0.0.1"}


async def test_name_with_one_forbidden_address_goes_to_the_other(
    site: Site, start_relay: StartRelay, names: NameServer, target: Target
) -> None:
    """All answers are filtered; only what is allowed is dialled."""
    names.addresses = ["169.254.169.254", "127.0.0.1"]
    relay = await start(start_relay, site, target)
    assert (await relay.fate(await relay.accepted("in", {}), "named"))["state"] == "delivered"
    assert set(DIALLED) == {"127.0.0.1"}


async def test_private_address_behind_a_name_is_blocked_if_egress_is_public(
    site: Site, start_relay: StartRelay, names: NameServer, target: Target
) -> None:
    """A literal address would be refused by `relay check`; behind a name only the dial can tell."""
    names.addresses = ["127.0.0.1", "10.1.2.3"]
    named = {
        "url": target.url.replace("127.0.0.1", "hook.relay.test"),
        "retry": {"schedule": ["10ms"]},
    }
    site.configure({"named": named}, egress="public")
    site.route("in", {"forward": [{"to": "named"}]})
    relay = await start_relay(site)
    fate = await relay.fate(await relay.accepted("in", {}), "named")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "blocked", 1)
    assert DIALLED == []
