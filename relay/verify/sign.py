"""Outgoing signatures after Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def decode_key(secret: bytes) -> bytes:
    """Return the key bytes of a `whsec_…` secret: base64, padding optional. Without the prefix: base64 too.

    Raises ValueError if it is not base64, naming no part of the secret.
    """
    text = secret.decode("ascii", "replace").strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            "a standard-webhooks secret is base64, with or without whsec_ before it"
        ) from None
    if not key:
        raise ValueError("a standard-webhooks secret can't be empty")
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one `v1,…` signature over `id.timestamp.body`; `timestamp` is in whole seconds since the epoch."""
    signed = b"%s.%d.%s" % (message_id.encode("utf-8", "surrogateescape"), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signatures(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a key, so that a rotation holds either way."""
    return " ".join(signature(key, message_id, timestamp, body) for key in keys)
