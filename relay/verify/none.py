"""No verification: anyone who reaches the URL is believed. The relay says so when it starts."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from relay.clock import Wall
from relay.verify.options import Options
from relay.verify.scheme import Incoming, Scheme, Signed


class Unverified(Scheme):
    """The scheme `none`."""

    name = "none"

    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Accept anything."""

    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Add nothing."""
        return Signed()


class NoneOptions(Options):
    """No verification."""

    scheme: Literal["none"] = Field(description="Requests are not verified.")

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme; there are no secrets."""
        return Unverified()


OPTIONS = NoneOptions
