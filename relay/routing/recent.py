"""Bodies of the events accepted last, for transforms that come before they are forgotten.

Such a transform need not decode and validate its event once more: that saves a GitHub push a tenth
of its way (tests/integration/deliver/test_instructions.py). Nothing hangs on it: an event whose
body is not here is read again from its bytes, as after a restart.
"""

from typing import Any

from relay.routing.route import Route

# A decoded body takes up to some hundred times its bytes.
_LARGEST = 16 << 10  # bytes of one event
_TOGETHER = 256 << 10  # bytes of all events


class RecentBodies:
    """Keeps a body for one transform: a second one must not see what the first changed in it."""

    def __init__(self, largest: int = _LARGEST, together: int = _TOGETHER) -> None:
        """Bound the bytes of one event, and those of all events whose bodies are kept."""
        self._largest = largest
        self._free = together
        self._bodies: dict[int, tuple[Route, int, Any]] = {}

    def keep(self, route: Route, seq: int, size: int, body: Any) -> None:
        """Keep the body that `route` made of an event of `size` bytes; the oldest make room."""
        if size > self._largest:
            return
        if seq in self._bodies:
            self.claim(route, seq)
        while self._free < size:
            self._free += self._bodies.pop(next(iter(self._bodies)))[1]
        self._free -= size
        self._bodies[seq] = route, size, body

    def claim(self, route: Route, seq: int) -> Any:
        """Give the body away, None if it is not here.

        Nor is one that another route made: a reload may have brought another model.
        """
        kept = self._bodies.pop(seq, None)
        if kept is None:
            return None
        made_by, size, body = kept
        self._free += size
        return body if made_by is route else None
