"""Fixtures that start real things: a relay, its targets, and the relay as a process."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from relay.app import Bounds
from tests.support import running
from tests.support.process import RelayProcess, StartProcess
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import StartTarget, Target

# No deadline and no look at the clock, so that a slow machine fails nothing.
settings.register_profile(
    "relay", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("relay")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a folder for a relay's files."""
    return Site(tmp_path / "site")


@pytest.fixture
async def start_target() -> AsyncIterator[StartTarget]:
    """Return what starts a target; all of them are closed after the test."""
    started: list[Target] = []

    async def start() -> Target:
        target = Target()
        await target.start()
        started.append(target)
        return target

    yield start
    for target in started:
        await target.close()


@pytest.fixture
async def target(start_target: StartTarget) -> Target:
    """Return one target."""
    return await start_target()


@pytest.fixture
async def start_relay() -> AsyncIterator[StartRelay]:
    """Return what starts a relay in the test's loop; all of them are stopped after the test."""
    started: list[Running] = []

    async def start(site: Site, bounds: Bounds | None = None) -> Running:
        relay = await running.start(site, bounds)
        started.append(relay)
        return relay

    yield start
    for relay in started:
        await relay.stop()


@pytest.fixture
async def start_process() -> AsyncIterator[StartProcess]:
    """Return what starts a relay as a process; those that still run after the test are killed."""
    started: list[RelayProcess] = []

    async def start(
        site: Site, environment: dict[str, str] | None = None, *options: str
    ) -> RelayProcess:
        process = await RelayProcess.start(site, environment, *options)
        started.append(process)
        return process

    yield start
    for process in started:
        await process.kill()


@pytest.fixture
def refused_url() -> Iterator[str]:
    """Return a URL at which nobody listens, on a port that nobody else can get."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"
