"""The contract of a scheme: a request comes in, and it is verified or it is not.

Rules that all schemes keep: raw bytes first, parse after; constant-time comparison; signature
before timestamp; strict ASCII digits; tolerance both ways; any of several secrets against any of
several signatures; an unknown form or version fails closed. tests/contract/verify holds them to it.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from relay.clock import Wall
from relay.errors import RelayError


class Incoming(NamedTuple):
    """A request as a scheme sees it.

    `headers` have lower-case names; a value holds bytes that are no UTF-8 as lone surrogates, as
    the HTTP parser gives them. `raw` is the body as it came, before it is decompressed or decoded,
    since signatures are over these very bytes. `method` is in capitals.
    """

    headers: Mapping[str, str]
    raw: bytes
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Signed:
    """Headers that `relay send` adds to a request so that the scheme accepts it."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Handshake:
    """The answer by which a provider learns that the URL is ours; nothing is stored or sent on."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class EventDefaults:
    """Expressions for the event's id and type when the route gives none; empty means none."""

    id: str = ""
    type: str = ""


class KeyInvalid(RelayError, ValueError):
    """A secret that can't be a key; the text names no part of it, `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class OptionInvalid(RelayError, ValueError):
    """Options that don't fit each other; `option` is the key under `verify:` to be corrected."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option


class Scheme(Protocol):
    """One way of proving who sent a request.

    `name` is the word in `verify: {scheme: …}`. `defaults` say where the scheme's senders put an
    event's id and type. `secret_headers` are lower-case names of headers that carry a shared
    secret: they are neither stored nor passed on.
    """

    name: str
    defaults: EventDefaults = EventDefaults()
    secret_headers: frozenset[str] = frozenset()

    @abstractmethod
    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Return if a holder of a secret sent the request; raise NotVerified, only that, if not.

        `now` is in seconds since the epoch by the wall clock, as is the time that senders sign.
        """

    def handshake(self, value: Any) -> Handshake | None:
        """Return the answer if `value`, a verified and decoded body, is a handshake, else None."""
        return None

    @abstractmethod
    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Return the headers with which `body` verifies, under the first secret.

        `now` is in seconds since the epoch by the wall clock: the time that is signed.
        """
