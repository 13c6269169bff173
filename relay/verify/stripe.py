"""Stripe: `stripe-signature: t=…,v1=…[,v1=…]`, HMAC-SHA256 in hex over `t.body`.

Rule: https://docs.stripe.com/webhooks#verify-manually. The key is the whole `whsec_…` text; `v0` is ignored.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from relay.errors import NotVerified
from relay.verify.scheme import (
    TOLERANCE,
    EventDefaults,
    Handshake,
    Incoming,
    Signed,
    check_age,
    header,
    matches_any,
    seconds,
)


class Stripe:
    """The scheme `stripe`."""

    name = "stripe"
    defaults = EventDefaults(id="body.id", type="body.type")
    secret_headers: frozenset[str] = frozenset()

    def __init__(self, secrets: Sequence[bytes], tolerance: float = TOLERANCE) -> None:
        self._secrets = secrets
        self._tolerance = tolerance

    def verify(self, incoming: Incoming, now: float) -> None:
        """Check every v1 signature against every secret, then the timestamp."""
        times: list[str] = []
        given: list[bytes] = []
        for part in header(incoming, "stripe-signature").split(","):
            name, _, value = part.strip().partition("=")
            if name == "t":
                times.append(value)
            elif name == "v1":
                given.append(value.encode("utf-8", "surrogateescape"))
        if len(times) != 1:
            raise NotVerified("stripe-signature must name exactly one t=")
        timestamp = seconds(times[0])
        expected = (_signature(secret, times[0], incoming.raw) for secret in self._secrets)
        if not matches_any(expected, given):
            raise NotVerified("no v1 signature matches")
        check_age(timestamp, now, self._tolerance)

    def handshake(self, value: Any) -> Handshake | None:
        """There is none."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Sign with the first secret."""
        timestamp = str(int(now))
        value = _signature(self._secrets[0], timestamp, body).decode()
        return Signed({"stripe-signature": f"t={timestamp},v1={value}"})


def _signature(secret: bytes, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(secret, b"%s.%s" % (timestamp.encode(), body), hashlib.sha256).hex().encode()
