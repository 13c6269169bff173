"""Stripe: `stripe-signature: t=…,v1=…[,v1=…]`, HMAC-SHA256 in hex over `t.body`.

Rule: https://docs.stripe.com/webhooks#verify-manually. The key is the whole `whsec_…` text.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify.checks import check_age, header, matches_any, seconds
from relay.verify.options import TOLERANCE, TimedOptions
from relay.verify.scheme import EventDefaults, Incoming, Scheme, Signed


class Stripe(Scheme):
    """The scheme `stripe`; `tolerance` is in seconds."""

    name = "stripe"
    defaults = EventDefaults(id="body.id", type="body.type")

    def __init__(self, secrets: Sequence[bytes], tolerance: float = TOLERANCE) -> None:
        self._secrets = secrets
        self._tolerance = tolerance

    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Check every v1 signature against every secret, then the timestamp.

        Signatures under `v0` are ignored: taking them would let a sender choose the weaker one.
        """
        times: list[str] = []
        received: list[bytes] = []
        for part in header(incoming, "stripe-signature").split(","):
            name, _, value = part.strip().partition("=")
            if name == "t":
                times.append(value)
            elif name == "v1":
                received.append(value.encode("utf-8", "surrogateescape"))
        # With two times nobody can tell which one was signed.
        if len(times) != 1:
            raise NotVerified("stripe-signature must name exactly one t=")
        timestamp = seconds(times[0])
        expected = (_signature(secret, times[0], incoming.raw) for secret in self._secrets)
        if not matches_any(expected, received):
            raise NotVerified("no v1 signature matches")
        check_age(timestamp, now, self._tolerance)

    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Sign with the first secret."""
        timestamp = str(int(now))
        value = _signature(self._secrets[0], timestamp, body).decode()
        return Signed({"stripe-signature": f"t={timestamp},v1={value}"})


def _signature(secret: bytes, timestamp: str, body: bytes) -> bytes:
    return hmac.digest(secret, b"%s.%s" % (timestamp.encode(), body), hashlib.sha256).hex().encode()


class StripeOptions(TimedOptions):
    """Stripe."""

    scheme: Literal["stripe"] = Field(description="Stripe's `stripe-signature`.")

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these secrets."""
        return Stripe(secrets, self.tolerance)


OPTIONS = StripeOptions
