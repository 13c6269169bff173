"""The time by which deliveries are scheduled: the wall clock as it stood when the process started, counted on steadily.

When somebody sets the wall clock, no retry is stuck until the old time comes round, none comes in a burst, and
nothing expires or is forgotten. What is told to people or signed uses the wall clock itself.
"""

import time

_OFFSET = time.time() - time.monotonic()


def steady() -> float:
    """Return the seconds since the epoch, free of jumps."""
    return time.monotonic() + _OFFSET
