"""Standard Webhooks v1 (HMAC-SHA256), as Svix and GitLab also send it.

Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

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
from relay.verify.sign import decode_key, signature, signatures


class StandardWebhooks:
    """The scheme `standard-webhooks`; `svix-*` header names are taken as well."""

    name = "standard-webhooks"
    defaults = EventDefaults(
        id='"webhook-id" in headers ? headers["webhook-id"] : headers["svix-id"]',
        type='has(body.type) ? string(body.type) : ""',
    )
    secret_headers: frozenset[str] = frozenset()

    def __init__(self, secrets: Sequence[bytes], tolerance: float = TOLERANCE) -> None:
        self._keys = [decode_key(secret) for secret in secrets]
        self._tolerance = tolerance

    def verify(self, incoming: Incoming, now: float) -> None:
        """Check every v1 signature against every secret, then the timestamp."""
        family = "webhook" if "webhook-id" in incoming.headers else "svix"
        message_id = header(incoming, f"{family}-id")
        timestamp = seconds(header(incoming, f"{family}-timestamp"))
        given = [
            part.encode("utf-8", "surrogateescape")
            for part in header(incoming, f"{family}-signature").split(" ")
            if part.startswith("v1,")
        ]
        expected = (
            signature(key, message_id, timestamp, incoming.raw).encode() for key in self._keys
        )
        if not matches_any(expected, given):
            raise NotVerified("no v1 signature matches")
        check_age(timestamp, now, self._tolerance)

    def handshake(self, value: Any) -> Handshake | None:
        """There is none."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Sign with all secrets, as the specification's rotation asks."""
        timestamp = int(now)
        return Signed(
            {
                "webhook-id": message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signatures(self._keys, message_id, timestamp, body),
            }
        )
