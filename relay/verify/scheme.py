"""What every scheme takes, gives and keeps."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from relay.errors import NotVerified

TOLERANCE = 300.0  # seconds either way; Standard Webhooks, Stripe and Slack all say five minutes


class Incoming(NamedTuple):
    """A request as a scheme sees it: lower-case header names, the body's very bytes, the URL as configured."""

    headers: Mapping[str, str]
    raw: bytes
    method: str = "POST"
    url: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """What `relay send` adds to a request so that the scheme accepts it."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Handshake:
    """The answer by which a provider learns that the URL is ours; nothing is stored or forwarded."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class EventDefaults:
    """Expressions for the event's id and type when the route gives none; empty means none."""

    id: str = ""
    type: str = ""


class Scheme(Protocol):
    """One way of proving who sent a request."""

    @property
    def name(self) -> str:
        """The word in `verify: {scheme: …}`."""

    @property
    def defaults(self) -> EventDefaults:
        """Where this scheme's senders put an event's id and type."""

    @property
    def secret_headers(self) -> frozenset[str]:
        """Headers that carry a shared secret: neither stored nor passed on."""

    def verify(self, incoming: Incoming, now: float) -> None:
        """Return if the request is what a holder of a secret sent; raise NotVerified otherwise."""

    def handshake(self, value: Any) -> Handshake | None:
        """Return the answer to a verified, decoded body that is the provider's handshake, else None."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Return what makes `body` verify, with the first secret."""


def header(incoming: Incoming, name: str) -> str:
    """Return a header's value; raise NotVerified if it is missing or empty."""
    value = incoming.headers.get(name, "")
    if not value:
        raise NotVerified(f"the header {name} is missing")
    return value


def matches_any(expected: Iterable[bytes], given: Iterable[bytes]) -> bool:
    """Compare every expected value with every given one, without an early exit, in constant time each."""
    found = False
    candidates = list(given)
    for right in expected:
        for candidate in candidates:
            found |= hmac.compare_digest(right, candidate)
    return found


def seconds(text: str) -> int:
    """Parse a timestamp of ASCII digits only, whole seconds; raise NotVerified for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise NotVerified("the timestamp is not whole seconds")
    return int(text)


def check_age(timestamp: float, now: float, tolerance: float) -> None:
    """Raise NotVerified if `timestamp` is further than `tolerance` seconds from `now`, either way."""
    if abs(now - timestamp) > tolerance:
        raise NotVerified(
            f"the timestamp is {abs(now - timestamp):.0f} s off; {tolerance:.0f} s are allowed"
        )
