"""The relay as a process, ended at the worst instants.

They are between a delivery and its record, before a retry, and beside another relay.
"""

import pytest

from tests.support.client import Client
from tests.support.process import RelayProcess, StartProcess, run
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import until


def _write(site: Site, target: Target) -> None:
    site.configure(
        {"hook": {"url": target.url, "retry": {"schedule": ["50ms"] * 20}}},
        limits={"shutdown": "10s"},
    )
    site.route("in", {"event": {"id": "string(body.n)"}, "forward": [{"to": "hook"}]})


async def _settled(relay: RelayProcess) -> None:
    client = Client(relay.public, relay.admin)
    try:
        await client.until_value(0, "relay_pending_deliveries", target="hook")
        assert await client.dead() == []
    finally:
        await client.close()


@pytest.mark.fault(2)
async def test_an_event_killed_between_delivery_and_record_comes_again_with_the_same_id(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """A target that got the request before the kill gets the same id, body and attempt again."""
    _write(site, target)
    target.open.clear()
    relay = await start_process(site)
    client = Client(relay.public, relay.admin)
    event_id = await client.accepted("in", {"n": 1})
    await client.close()
    await target.wait_for(1)
    await relay.kill()
    target.open.set()
    await _settled(await start_process(site))
    first, second = target.requests
    assert first.id == second.id == event_id
    assert first.body == second.body
    assert (first.headers["relay-attempt"], second.headers["relay-attempt"]) == ("1", "1")


@pytest.mark.fault(1)
async def test_a_retry_survives_a_kill(
    site: Site, start_process: StartProcess, target: Target, refused_url: str
) -> None:
    """A delivery that failed before the kill is tried again after it, as the next attempt."""
    site.configure({"hook": {"url": refused_url, "retry": {"schedule": ["300ms"] * 50}}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site)
    client = Client(relay.public, relay.admin)
    event_id = await client.accepted("in", {"n": 1})
    labels = {"target": "hook", "outcome": "retry", "reason": "connection"}

    async def tried() -> bool:
        return await client.value("relay_attempts_total", **labels) >= 1

    await until(tried, "a failed attempt")
    await client.close()
    await relay.kill()
    site.configure({"hook": {"url": target.url, "retry": {"schedule": ["300ms"] * 50}}})
    await _settled(await start_process(site))
    (got,) = target.requests
    assert got.id == event_id
    assert int(got.headers["relay-attempt"]) >= 2


@pytest.mark.fault(7)
async def test_a_second_relay_on_the_same_file_is_refused(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """A second relay exits with 1 and a message that names the file and the remedy.

    The first goes on undisturbed.
    """
    _write(site, target)
    relay = await start_process(site)
    second = await run("run", "--config", str(site.config), cwd=site.root)
    assert (second.code, second.out) == (1, "")
    assert f"{site.var / 'relay.db'} is in use by another relay" in second.err
    assert "Traceback" not in second.err
    client = Client(relay.public, relay.admin)
    await client.accepted("in", {"n": 1})
    await client.close()
    await target.wait_for(1)
    await relay.kill()
    assert await (await start_process(site)).terminate() == 0  # the lock went with its holder
