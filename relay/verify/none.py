"""No verification: anyone who reaches the URL is believed. Said out loud at start."""

from typing import Any

from relay.verify.scheme import EventDefaults, Handshake, Incoming, Signed


class Unverified:
    """The scheme `none`."""

    name = "none"
    defaults = EventDefaults()
    secret_headers: frozenset[str] = frozenset()

    def verify(self, incoming: Incoming, now: float) -> None:
        """Accept anything."""

    def handshake(self, value: Any) -> Handshake | None:
        """There is none."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Add nothing."""
        return Signed()
