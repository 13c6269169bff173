"""A time limit for a route's own code, which runs in the loop: one that never ends must not stop the relay.

The alarm's handler raises inside the code that runs, wherever it is; regular expressions let themselves be
interrupted as well. It comes again and again, for code that swallows everything. Other C code that never
comes back can't be interrupted.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 0.1  # seconds between alarms once the time is over
_TOLD = 1000  # characters of an exception's text
_armed = False  # whether an alarm is for the code that runs; one that comes late must hit nobody else


class TimeLimitExceeded(BaseException):
    """The time is over. Not an Exception, so that a route's `except Exception` does not hold it up."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitExceeded in the body once `seconds` are over.

    Outside the main thread, where no signal arrives, there is no limit. Where the alarm is the process' own
    (`own_alarm`), it costs little; else whoever had it gets it back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _armed  # noqa: PLW0603 - there is one alarm clock a process
    before = signal.getsignal(signal.SIGALRM)
    if before is not _alarm:
        signal.signal(signal.SIGALRM, _alarm)
    _armed = True
    alarm = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            yield
        finally:
            _armed = False
    finally:  # also if the alarm came in the line above
        _armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        if before is not _alarm:
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *alarm)  # someone else's, if there was one


def own_alarm() -> None:
    """Take SIGALRM for this process' time limits alone."""
    signal.signal(signal.SIGALRM, _alarm)


def told(error: BaseException) -> str:
    """Return what a route's own code raised, cut short: its text is code too, which may raise or never end."""
    try:
        with time_limit(_AGAIN):
            text = str(error)[:_TOLD]
    except BaseException:  # noqa: BLE001 - then its name must do
        text = ""
    return f"{type(error).__name__}: {text}"


def _alarm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    if _armed:
        raise TimeLimitExceeded
