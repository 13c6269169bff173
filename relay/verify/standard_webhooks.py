"""Standard Webhooks v1 (HMAC-SHA256), as Svix and GitLab also send it, and as the relay signs.

Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify.checks import check_age, header, matches_any, seconds
from relay.verify.options import TOLERANCE, TimedOptions
from relay.verify.scheme import EventDefaults, Incoming, KeyInvalid, Scheme, Signed

PREFIX = "whsec_"
_REMEDY = "use managed:NAME, or a whsec_… secret"


def decode_key(secret: bytes) -> bytes:
    """Return the key of a secret: base64 after `whsec_`, which may be left out, as may the padding.

    Raises KeyInvalid if it is not base64 or holds nothing.
    """
    text = secret.decode("ascii", "replace").strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise KeyInvalid(
            "a standard-webhooks secret is base64, with or without whsec_ before it", _REMEDY
        ) from None
    if not key:
        raise KeyInvalid("a standard-webhooks secret can't be empty", _REMEDY)
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one `v1,…` signature over `id.timestamp.body`.

    `timestamp` is in whole seconds since the epoch by the wall clock.
    """
    signed = b"%s.%d.%s" % (message_id.encode("utf-8", "surrogateescape"), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signatures(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a key, so that a rotation holds.

    `timestamp` is in whole seconds since the epoch by the wall clock.
    """
    return " ".join(signature(key, message_id, timestamp, body) for key in keys)


class StandardWebhooks(Scheme):
    """The scheme `standard-webhooks`, under `svix-*` names too; `tolerance` is in seconds."""

    name = "standard-webhooks"
    defaults = EventDefaults(
        id='"webhook-id" in headers ? headers["webhook-id"] : headers["svix-id"]',
        type='has(body.type) ? string(body.type) : ""',
    )

    def __init__(self, secrets: Sequence[bytes], tolerance: float = TOLERANCE) -> None:
        self._keys = [decode_key(secret) for secret in secrets]
        self._tolerance = tolerance

    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Check every v1 signature against every secret, then the timestamp."""
        family = "webhook" if "webhook-id" in incoming.headers else "svix"
        message_id = header(incoming, f"{family}-id")
        timestamp = seconds(header(incoming, f"{family}-timestamp"))
        received = [
            part.encode("utf-8", "surrogateescape")
            for part in header(incoming, f"{family}-signature").split(" ")
            if part.startswith("v1,")
        ]
        expected = (
            signature(key, message_id, timestamp, incoming.raw).encode() for key in self._keys
        )
        if not matches_any(expected, received):
            raise NotVerified("no v1 signature matches")
        check_age(timestamp, now, self._tolerance)

    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Sign with all secrets, as the specification's rotation asks."""
        timestamp = int(now)
        return Signed(
            {
                "webhook-id": message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signatures(self._keys, message_id, timestamp, body),
            }
        )


class StandardWebhooksOptions(TimedOptions):
    """Standard Webhooks."""

    scheme: Literal["standard-webhooks"] = Field(
        description="Standard Webhooks v1: `webhook-signature`, or `svix-signature`."
    )

    def check_secret(self, secret: bytes) -> None:
        """Raise KeyInvalid unless the secret is base64."""
        decode_key(secret)

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these secrets."""
        return StandardWebhooks(secrets, self.tolerance)


OPTIONS = StandardWebhooksOptions
