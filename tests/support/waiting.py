"""Waiting for something to become true, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE = 20.0  # seconds; far more than anything here takes, so that only a fault reaches it
_PAUSE = 0.01  # between two questions


async def until(ask: Callable[[], Awaitable[T]], what: str, deadline: float = DEADLINE) -> T:
    """Ask until the answer is true, and return it.

    Fail with the last answer after `deadline` seconds.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while True:
        answer = await ask()
        if answer:
            return answer
        if loop.time() > end:
            raise AssertionError(
                f"waited {deadline:.0f} s for {what}; the last answer was {answer!r}"
            )
        await asyncio.sleep(_PAUSE)
