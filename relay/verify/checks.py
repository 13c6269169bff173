"""Checks that schemes share: a header is there, values match in constant time, a time is near."""

import hmac
from collections.abc import Iterable

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify.scheme import Incoming


def header(incoming: Incoming, name: str) -> str:
    """Return a header's value; raise NotVerified if it is missing or empty."""
    value = incoming.headers.get(name, "")
    if not value:
        raise NotVerified(f"the header {name} is missing")
    return value


def matches_any(expected: Iterable[bytes], received: Iterable[bytes]) -> bool:
    """Tell whether any expected value is any received one.

    Every pair is compared, each in constant time: nobody learns from the time which secret matched.
    """
    matches = False
    candidates = list(received)
    for value in expected:
        for candidate in candidates:
            matches |= hmac.compare_digest(value, candidate)
    return matches


def seconds(text: str) -> int:
    """Return whole seconds since the epoch out of ASCII digits; raise NotVerified otherwise.

    int() would also take `+1`, ` 1`, `1_0` and other alphabets' digits, float() `Infinity`, with
    which a request would never grow old.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise NotVerified("the timestamp is not whole seconds")
    return int(text)


def check_age(timestamp: float, now: Wall, tolerance: float) -> None:
    """Raise NotVerified if a request's time is too far from now, either way.

    `timestamp` and `now` are in seconds since the epoch by the wall clock, `tolerance` in seconds.
    """
    if abs(now - timestamp) > tolerance:
        raise NotVerified(
            f"the timestamp is {abs(now - timestamp):.0f} s off; {tolerance:.0f} s are allowed"
        )
