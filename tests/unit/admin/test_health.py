"""Readiness is one value: it tells the worst fault first, and none of a relay that serves."""

import pytest

from relay.admin.health import Health, Phase


@pytest.mark.parametrize(
    ("health", "unready"),
    [
        (Health(Phase.SERVING), ""),
        (Health(Phase.STARTING), "starting"),
        (Health(Phase.DRAINING, fault="disk full", disk_full=True), "draining"),
        (Health(Phase.SERVING, disk_full=True), "the disk is nearly full"),
        (Health(Phase.SERVING, fault="locked"), "the store can't commit: locked"),
        (Health(Phase.SERVING, fault="locked", disk_full=True), "the store can't commit: locked"),
        (Health(Phase.DRAINING, failed="I/O error"), "the store failed: I/O error"),
    ],
)
def test_worst_is_told_first(health: Health, unready: str) -> None:
    """In one text, which `/readyz` answers with 503; '' is ready."""
    assert health.unready == unready
