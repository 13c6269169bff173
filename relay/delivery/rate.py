"""Rates: at most so many a second, with as many at once as a second allows. Pure: the state is one number.

The generic cell rate algorithm (ITU-T I.371): `due` is when the next would come if all came evenly.
"""

from dataclasses import dataclass


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
        """Seconds by which one may come early: a second's worth at once, and never less than one."""
        return max(1.0 - self.interval, 0.0)


def take(rate: Rate, due: float, now: float) -> tuple[float, float]:
    """Take one: return the new `due`, and the seconds to wait until it may go (0: at once)."""
    due = max(due, now)
    return due + rate.interval, max(due - now - rate.burst, 0.0)


def wait(rate: Rate, due: float, now: float) -> float:
    """Return the seconds until one may go, without taking it."""
    return max(due - now - rate.burst, 0.0)
