"""Memory for deliveries that are handed over straight from their commit: bounded for all lanes."""

from dataclasses import dataclass

from relay.clock import Steady
from relay.event import Delivery

# Bytes that a delivery in memory takes beside its body; tests/bench/memory.py measures it.
OVERHEAD = 3072


@dataclass(slots=True)
class Room:
    """Memory that all lanes share: `free` bytes are left of it."""

    free: int


class Places:
    """The places of one lane's deliveries in the room.

    A delivery has its place from before its commit until its settlement is on disk: as long as the
    store has no row that tells of it.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: dict[tuple[int, int], tuple[float, int]] = {}  # accepted when, bytes

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, delivery: Delivery) -> bool:
        return (delivery.event.seq, delivery.n) in self._kept

    def reserve(self, delivery: Delivery, size: int) -> bool:
        """Keep a place for a delivery whose body has `size` bytes; tell whether there was room."""
        size += OVERHEAD
        if size > self._room.free:
            return False
        self._room.free -= size
        self._kept[delivery.event.seq, delivery.n] = delivery.since, size
        return True

    def give_back(self, delivery: Delivery) -> None:
        """Give a delivery's place back, if it has one."""
        if (kept := self._kept.pop((delivery.event.seq, delivery.n), None)) is not None:
            self._room.free += kept[1]

    def oldest(self, now: Steady) -> float:
        """Return the age in seconds of the delivery that came first; 0 if there is none."""
        since, _ = next(iter(self._kept.values()), (now, 0))
        return max(now - since, 0.0)
