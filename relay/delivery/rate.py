"""Rates: at most so many a second, with as many at once as a second allows.

The generic cell rate algorithm (ITU-T I.371, annex A). Its state is one number, `due`: when the
next one would come if all came evenly. Pure: the caller keeps the number and reads the clock.
"""

from dataclasses import dataclass

from relay.clock import Steady


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in `seconds`."""

    count: float
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds from one to the next if all come evenly."""
        return self.seconds / self.count

    @property
    def burst(self) -> float:
        """Seconds by which one may come early: a second's worth at once, never less than one."""
        return max(1.0 - self.interval, 0.0)


def book(rate: Rate, due: Steady, now: Steady) -> tuple[Steady, float]:
    """Count one more; return the new `due`, and the seconds until that one may go (0: at once)."""
    seconds = delay(rate, due, now)
    return Steady(max(due, now) + rate.interval), seconds


def delay(rate: Rate, due: Steady, now: Steady) -> float:
    """Return the seconds until one more may go (0: at once); nothing is counted."""
    return max(due - now - rate.burst, 0.0)
