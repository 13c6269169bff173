"""Fixtures of the fault tests."""

import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.sink.faults import Fault
from tests.faults.shim import Disk
from tests.faults.targets import FaultyTarget, StartFaulty


@pytest.fixture
def start_faulty(closing: AsyncExitStack) -> StartFaulty:
    """Return what starts a target with a fault."""

    async def start(fault: Fault, context: ssl.SSLContext | None = None) -> FaultyTarget:
        target = FaultyTarget()
        await target.start(fault, context)
        closing.push_async_callback(target.close)
        return target

    return start


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Return a disk that counts and fails on demand, for a relay started with its environment."""
    return Disk(tmp_path)
