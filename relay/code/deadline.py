"""A time limit for a route's own code: it runs in the loop, and must not stop the relay.

The alarm's handler raises inside the code that runs, wherever it is; regular expressions let
themselves be interrupted as well. The alarm comes again and again, for code that swallows
every exception. Other C code that never comes back can't be interrupted.

An alarm of the process' own ticks while there are limits, which saves two system calls and two
changes of the handler for each limit; tests/unit/code/test_deadline.py holds that it still ends
code in time.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from relay.clock import steady

T = TypeVar("T")
_AGAIN = 0.1  # seconds between alarms once the time is over
_TICK = 0.05  # seconds between looks at the time, where the alarm is the process' own
_EARLY = 0.001  # seconds by which a timer may be early
_MAIN = threading.main_thread().ident
_MOST_TEXT = 1000  # characters of an exception's text


class TimeLimitExceeded(BaseException):
    """The time is over.

    It is no RelayError, and not even an Exception: it is raised inside a route's own code, whose
    `except Exception` must not hold it up.
    """


class _Clock:
    """The process' one alarm clock.

    `deadline` is that of the code that runs, in seconds since the epoch by the steady clock. It
    is 0 when none runs: a late alarm must hit nobody else. `owned` says that the alarm is the
    process' own; while it is `ticking`, `idle` counts the ticks since the last limit, and after
    `most_idle` of them it stops.
    """

    __slots__ = ("deadline", "idle", "most_idle", "owned", "ticking")

    def __init__(self) -> None:
        self.deadline = 0.0
        self.owned = False
        self.ticking = False
        self.idle = 0
        self.most_idle = 0

    def tick(self) -> None:
        """Start the ticks: they look at the time every now and then, for all limits."""
        self.idle = 0
        if not self.ticking:
            self.ticking = True
            signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)

    def alarm(self, number: int, frame: FrameType | None) -> None:
        """Raise in the code whose time is over."""
        if self.deadline and steady() >= self.deadline - _EARLY:
            raise TimeLimitExceeded
        self.idle += 1
        if self.ticking and self.idle > self.most_idle and not self.deadline:
            self.ticking = False
            signal.setitimer(signal.ITIMER_REAL, 0)


_clock = _Clock()


def limited(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Call `function`; raise TimeLimitExceeded in it once `seconds` are over, or a little later.

    Outside the main thread, where no signal arrives, there is no limit. Where the alarm is the
    process' own (`own_alarm`), a limit costs next to nothing; else whoever had the alarm gets it
    back. Limits may be nested: the inner one counts until it ends.
    """
    if threading.get_ident() != _MAIN:
        return function(*arguments)
    clock = _clock
    if not clock.owned:
        return _borrowed(seconds, function, *arguments)
    outer = clock.deadline
    clock.deadline = steady() + seconds
    clock.tick()
    try:
        return function(*arguments)
    finally:
        clock.deadline = outer


def _borrowed(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    clock = _clock
    outer = clock.deadline
    before = signal.signal(signal.SIGALRM, clock.alarm)
    clock.deadline = steady() + seconds
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        return function(*arguments)
    finally:
        clock.deadline = outer
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        # Someone else's, if there was one.
        signal.setitimer(signal.ITIMER_REAL, *timer)


def own_alarm(most_idle: int = 100) -> None:
    """Take SIGALRM for this process' time limits alone.

    After more than `most_idle` ticks without a limit (20 in a second), the ticks stop.
    """
    signal.signal(signal.SIGALRM, _clock.alarm)
    _clock.most_idle = most_idle
    _clock.owned = True


def disown_alarm() -> None:
    """Give SIGALRM back, without a handler."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _clock.owned = _clock.ticking = False


def describe_error(error: BaseException) -> str:
    """Return the name and the text, cut short, of an error that a route's own code raised.

    Its text is the route's code too, which may raise or never end: then the name alone must do.
    """
    try:
        text = limited(_AGAIN, str, error)[:_MOST_TEXT]
    except BaseException:  # noqa: BLE001 - whatever that code raises
        text = ""
    return f"{type(error).__name__}: {text}"
