"""The relay's two clocks: a steady one that decides, and one for people and signatures.

`steady` is the wall clock as it stood when the process started, counted on by the monotonic clock.
When somebody sets the wall clock, no retry is stuck until the old time comes round, none comes in a
burst, and nothing expires or is forgotten. Everything that the relay schedules, ages or expires
goes by it.
"""

import time
from typing import NewType

Steady = NewType("Steady", float)
"""Seconds since the epoch by the steady clock."""

Wall = NewType("Wall", float)
"""Seconds since the epoch by the wall clock: what people are told, and what signatures hold."""

_OFFSET = time.time() - time.monotonic()


def steady() -> Steady:
    """Return the seconds since the epoch, free of jumps."""
    return Steady(time.monotonic() + _OFFSET)


def wall() -> Wall:
    """Return the seconds since the epoch as the machine's clock says now."""
    return Wall(time.time())
