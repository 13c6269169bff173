"""Each test of the suite runs once over each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.stores.contract import Store
from tests.contract.stores.engine import Appender, Engine, SqliteEngine


@pytest.fixture(params=["sqlite"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Return an engine without any data."""
    assert request.param == "sqlite"
    engine = SqliteEngine(tmp_path / "relay.db")
    yield engine
    await engine.close_all()


@pytest.fixture
async def store(engine: Engine) -> Store:
    """Return an open, empty store."""
    return await engine.open()


@pytest.fixture
def appender(store: Store) -> Appender:
    """Return what appends events to the store."""
    return Appender(store)
