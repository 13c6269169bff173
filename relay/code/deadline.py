"""A time limit for a route's own code, which runs in the loop: one that never ends must not stop the relay.

The alarm's handler raises inside the code that runs, wherever it is; regular expressions let themselves be
interrupted as well. It comes again and again, for code that swallows everything. Other C code that never
comes back can't be interrupted.
"""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_AGAIN = 0.1  # seconds between alarms once the time is over
_TICK = 0.05  # seconds between looks at the time, where the alarm is the process' own
_IDLE = 100  # ticks without any limit, after which they stop
_EARLY = 0.001  # seconds by which a timer may be early
_MAIN = threading.main_thread().ident
_TOLD = 1000  # characters of an exception's text


class TimeLimitExceeded(BaseException):
    """The time is over. Not an Exception, so that a route's `except Exception` does not hold it up."""


class _Clock:
    """The process' one alarm clock. `deadline` (0: none) is for the code that runs; a late alarm must hit nobody else."""

    __slots__ = ("deadline", "idle", "owned", "ticking")

    def __init__(self) -> None:
        self.deadline = 0.0
        self.owned = False
        self.ticking = False
        self.idle = 0

    def tick(self) -> None:
        """Have the time looked at now and again: that costs less than a timer for each limit."""
        self.idle = 0
        if not self.ticking:
            self.ticking = True
            signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)

    def alarm(self, number: int, frame: FrameType | None) -> None:
        """Raise in the code whose time is over."""
        if self.deadline and time.monotonic() >= self.deadline - _EARLY:
            raise TimeLimitExceeded
        self.idle += 1
        if self.ticking and self.idle > _IDLE and not self.deadline:
            self.ticking = False
            signal.setitimer(signal.ITIMER_REAL, 0)


_clock = _Clock()


def limited(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Return what `function` returns; raise TimeLimitExceeded in it once `seconds` are over, or a little later.

    Outside the main thread, where no signal arrives, there is no limit. Where the alarm is the process' own
    (`own_alarm`), it costs next to nothing; else whoever had it gets it back.
    """
    if threading.get_ident() != _MAIN:
        return function(*arguments)
    clock = _clock
    if not clock.owned:
        return _borrowed(seconds, function, *arguments)
    outer = clock.deadline
    clock.deadline = time.monotonic() + seconds
    clock.tick()
    try:
        return function(*arguments)
    finally:  # no alarm can come between the two
        clock.deadline = outer


def _borrowed(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    clock = _clock
    outer = clock.deadline
    before = signal.signal(signal.SIGALRM, clock.alarm)
    clock.deadline = time.monotonic() + seconds
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        return function(*arguments)
    finally:
        clock.deadline = outer
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)  # someone else's, if there was one


def own_alarm() -> None:
    """Take SIGALRM for this process' time limits alone."""
    signal.signal(signal.SIGALRM, _clock.alarm)
    _clock.owned = True


def disown_alarm() -> None:
    """Give SIGALRM back, without a handler."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _clock.owned = _clock.ticking = False


def told(error: BaseException) -> str:
    """Return what a route's own code raised, cut short: its text is code too, which may raise or never end."""
    try:
        text = limited(_AGAIN, str, error)[:_TOLD]
    except BaseException:  # noqa: BLE001 - then its name must do
        text = ""
    return f"{type(error).__name__}: {text}"
