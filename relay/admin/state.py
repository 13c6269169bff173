"""The parts of a running relay that the admin side shows and steers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from relay.admin.health import Health
from relay.clock import steady
from relay.lanes.partitions import Partitions
from relay.metrics.series import Metrics
from relay.metrics.snapshot import Snapshot, take_snapshot
from relay.routing.route import Route
from relay.stores.contract import Asking, Delivering, Operating
from relay.stores.records import Counts


@dataclass(slots=True)
class AdminState:
    """A relay as the admin side sees it.

    `patience`: seconds for a request's body. `export_page`: events that a page of an export looks
    at.
    """

    store: Asking
    delivering: Delivering
    operating: Operating
    lanes: Mapping[str, Partitions]
    routes: Callable[[], Mapping[str, Route]]
    metrics: Metrics
    token: bytes = field(repr=False)
    health: Callable[[], Health]
    about: Callable[[], Awaitable[Mapping[str, Any]]]
    reload: Callable[[], Awaitable[Any]]
    patience: float
    export_page: int
    _counts: Counts = field(default_factory=Counts)

    async def count(self) -> None:
        """Have the store count, for the snapshots that follow. Raises StoreUnavailable."""
        self._counts = await self.store.counts()

    def snapshot(self) -> Snapshot:
        """Return the state of all targets: as the store counted last, as the lanes are now."""
        return take_snapshot(self._counts, self.lanes, steady())
