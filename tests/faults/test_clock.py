"""Somebody sets the wall clock, by an hour or a year, while deliveries wait.

libfaketime does so in a real process.
"""

from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.process import StartProcess
from tests.support.site import Site
from tests.support.target import Reply, Target

pytestmark = pytest.mark.fault(18)

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), Path("no libfaketime"))
JUMPS = ["+1h", "-1h", "+1y", "-1y"]


class Clock:
    """The wall clock of a process; its monotonic clock stays as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Set it, relative to the real time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(offset + "\n")
        fresh.rename(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    assert LIBRARY.is_file(), "install the package faketime"
    return Clock(tmp_path / "time")


def configure(site: Site, target: Target, schedule: list[str]) -> None:
    site.configure({"hook": {"url": target.url, "concurrency": 1, "retry": {"schedule": schedule}}})
    site.route("in", {"event": {"id": "string(body.n)"}, "forward": [{"to": "hook"}]})


@pytest.mark.parametrize("jump", JUMPS)
async def test_retry_comes_and_fresh_events_go_at_once(
    site: Site, start_process: StartProcess, target: Target, clock: Clock, jump: str
) -> None:
    """A retry due in a second comes then, whatever the wall clock says meanwhile.

    Ids keep rising, and duplicates stay known.
    """
    configure(site, target, ["1s"] * 5)
    relay = await start_process(site, clock.environment)
    client = Client(relay.public, relay.admin)
    try:
        target.script.append(Reply(500))
        first = await client.accepted("in", {"n": 1})
        await target.wait_for(1)
        clock.set(jump)
        second = await client.accepted("in", {"n": 2})
        requests = await target.wait_for(3)
        assert sorted(request.id for request in requests) == sorted([first, first, second])
        assert (await client.fate(first, "hook"))["attempts"] == 2
        assert second > first
        again = await client.post("in", {"n": 1})
        assert (again.status, again.json["id"]) == (200, first)
        assert await client.dead() == []
    finally:
        await client.close()


@pytest.mark.parametrize("jump", JUMPS)
async def test_nothing_that_waits_expires(
    site: Site, start_process: StartProcess, target: Target, clock: Clock, jump: str
) -> None:
    """Deliveries in the lane's memory when the clock jumps are made, not given up as too old."""
    configure(site, target, [])
    target.open.clear()
    relay = await start_process(site, clock.environment)
    client = Client(relay.public, relay.admin)
    try:
        ids = [await client.accepted("in", {"n": n}) for n in range(5)]
        await target.wait_for(1)
        clock.set(jump)
        target.open.set()
        assert [request.id for request in await target.wait_for(5)] == ids
        assert await client.dead() == []
    finally:
        await client.close()


# A target may ask for an hour's wait: a jump of an hour may be meant.
@pytest.mark.parametrize("jump", ["-2h", "-1y"])
async def test_retry_is_not_stuck_after_a_restart_with_an_earlier_clock(
    site: Site, start_process: StartProcess, target: Target, clock: Clock, jump: str
) -> None:
    """A retry that is due later than any wait could have made it is due at once."""
    configure(site, target, ["1s"] * 5)
    target.script.append(Reply(500))
    relay = await start_process(site, clock.environment)
    client = Client(relay.public, relay.admin)
    event_id = await client.accepted("in", {"n": 1})
    await client.until_value(
        1, "relay_attempts_total", target="hook", outcome="retry", reason="unavailable"
    )
    await client.close()
    await relay.kill()
    clock.set(jump)
    await start_process(site, clock.environment)
    assert [request.id for request in await target.wait_for(2)] == [event_id] * 2
