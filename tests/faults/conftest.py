"""Fixtures of the fault tests."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.sink.faults import Fault
from tests.faults.shim import Disk
from tests.faults.targets import FaultyTarget, StartFaulty


@pytest.fixture
async def start_faulty() -> AsyncIterator[StartFaulty]:
    """Return what starts a target with a fault; all of them are closed after the test."""
    started: list[FaultyTarget] = []

    async def start(fault: Fault, context: ssl.SSLContext | None = None) -> FaultyTarget:
        target = FaultyTarget()
        await target.start(fault, context)
        started.append(target)
        return target

    yield start
    for target in started:
        await target.close()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Return a disk that counts and fails on demand, for a relay started with its environment."""
    return Disk(tmp_path)
