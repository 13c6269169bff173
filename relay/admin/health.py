"""Whether the relay is ready for events, and if not, why: one value, made when somebody asks."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a relay is between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Health:
    """The relay's state, as `/readyz` tells it.

    `failed` says why the store can be trusted no more, `fault` why its last commit failed; both are
    empty if nothing is wrong. `disk_full`: fewer bytes are free than `limits.disk` wants.
    """

    phase: Phase
    failed: str = ""
    fault: str = ""
    disk_full: bool = False

    @property
    def unready(self) -> str:
        """Why the relay takes no events now; empty if it does."""
        if self.failed:
            return f"the store failed: {self.failed}"
        if self.phase is not Phase.SERVING:
            return self.phase.value
        if self.fault:
            return f"the store can't commit: {self.fault}"
        return "the disk is nearly full" if self.disk_full else ""
