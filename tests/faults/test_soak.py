"""The soak, short: what `make soak` shows over hundreds of faults holds over a few."""

import random
from pathlib import Path

import pytest

from tests.faults.soak import Course, soak


@pytest.mark.fault(1)
@pytest.mark.fault(24)
@pytest.mark.fault(29)
async def test_nothing_is_lost_over_kills_freezes_and_outages(tmp_path: Path) -> None:
    """Every accepted event is delivered to every target, in order where the route says so.

    Each surplus delivery has a cause.
    """
    (account,) = await soak(
        tmp_path, [Course(kills=5, freezes=2, outages=2)], random.randrange(1 << 32)
    )
    assert list(account.broken()) == [], account.told
    assert account.told["accepted"] > 50


@pytest.mark.fault(30)
async def test_orderly_stops_lose_nothing_and_waste_no_attempt(tmp_path: Path) -> None:
    """SIGTERMs under load lose and repeat nothing; each recorded attempt was one request."""
    (account,) = await soak(tmp_path, [Course(terms=3)], random.randrange(1 << 32))
    assert list(account.broken()) == [], account.told
    assert account.told["accepted"] > 50
