"""Fixtures that start real things: a relay, its targets, and the relay as a process."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
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
async def closing() -> AsyncIterator[AsyncExitStack]:
    """Return what closes things after the test, the last started first."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_target(closing: AsyncExitStack) -> StartTarget:
    """Return what starts a target."""

    async def start() -> Target:
        target = Target()
        await target.start()
        closing.push_async_callback(target.close)
        return target

    return start


@pytest.fixture
async def target(start_target: StartTarget) -> Target:
    """Return one target."""
    return await start_target()


@pytest.fixture
def start_relay(closing: AsyncExitStack) -> StartRelay:
    """Return what starts a relay in the test's loop."""

    async def start(site: Site, bounds: Bounds | None = None) -> Running:
        relay = await running.start(site, bounds)
        closing.push_async_callback(relay.stop)
        return relay

    return start


@pytest.fixture
def start_process(closing: AsyncExitStack) -> StartProcess:
    """Return what starts a relay as a process; one that still runs after the test is killed."""

    async def start(
        site: Site, environment: dict[str, str] | None = None, *options: str
    ) -> RelayProcess:
        process = await RelayProcess.start(site, environment, *options)
        closing.push_async_callback(process.kill)
        return process

    return start


@pytest.fixture
def refused_url() -> Iterator[str]:
    """Return a URL at which nobody listens, on a port that nobody else can get."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"
