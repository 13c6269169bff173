"""Code that never ends is ended, whatever it does to stay."""

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from relay.code.deadline import TimeLimitExceeded, disown_alarm, limited, own_alarm


def _loops() -> None:
    while True:
        pass


def _sleeps() -> None:
    time.sleep(3600)


def _swallows() -> None:
    while True:
        with contextlib.suppress(Exception):  # what careless code does
            _loops()


def _holds_on() -> None:
    try:
        _loops()
    finally:
        _loops()


def _backtracks() -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


@pytest.mark.parametrize("code", [_loops, _sleeps, _swallows, _holds_on, _backtracks])
def test_code_that_never_ends_is_ended(code: object) -> None:
    assert callable(code)
    with pytest.raises(TimeLimitExceeded):
        limited(0.05, code)


def test_quick_code_is_not_touched_and_another_alarm_is_there_again_afterwards() -> None:
    handler, alarm = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 3000)
    assert limited(7200, int, "1") == 1
    left = signal.setitimer(signal.ITIMER_REAL, *alarm)
    assert 2900 < left[0] <= 3000
    assert signal.getsignal(signal.SIGALRM) == handler


@pytest.fixture
def owned() -> Iterator[None]:
    """Let the alarm be the process' own, as in `relay run`."""
    handler, timer = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0)
    own_alarm()
    yield
    disown_alarm()
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


@pytest.mark.usefixtures("owned")
@pytest.mark.parametrize("code", [_loops, _sleeps, _swallows, _holds_on, _backtracks])
def test_own_alarm_ends_one_body_after_another(code: Callable[[], None]) -> None:
    """In a process that gave its alarm away, limits hold, and a late alarm hits nobody else."""
    for _ in range(2):
        with pytest.raises(TimeLimitExceeded):
            limited(0.02, code)
    limited(7200, time.sleep, 0.06)  # longer than a tick


@pytest.mark.usefixtures("owned")
def test_ticks_end_when_there_are_no_limits() -> None:
    """A relay without code of its routes to run is not woken for it."""
    own_alarm(most_idle=1)
    assert limited(1, signal.getitimer, signal.ITIMER_REAL)[1] > 0
    while signal.getitimer(signal.ITIMER_REAL)[1]:
        signal.pause()
    assert limited(1, signal.getitimer, signal.ITIMER_REAL)[1] > 0


async def test_other_threads_have_no_limit_and_are_not_disturbed() -> None:
    def work() -> str:
        return limited(0.000_001, str, "done")

    assert await asyncio.to_thread(work) == "done"
