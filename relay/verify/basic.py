"""HTTP Basic authentication (RFC 7617) with one user name and any of several passwords."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from relay.errors import NotVerified
from relay.verify.scheme import EventDefaults, Handshake, Incoming, Signed, header, matches_any


class Basic:
    """The scheme `basic`."""

    name = "basic"
    defaults = EventDefaults()
    secret_headers = frozenset({"authorization"})

    def __init__(self, secrets: Sequence[bytes], username: str) -> None:
        self._credentials = [username.encode() + b":" + secret for secret in secrets]

    def verify(self, incoming: Incoming, now: float) -> None:
        """Compare user name and password as one value."""
        kind, _, encoded = header(incoming, "authorization").partition(" ")
        if kind.lower() != "basic":
            raise NotVerified("the authorization is not Basic")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise NotVerified("the Basic credentials are not base64") from None
        if not matches_any(self._credentials, [given]):
            raise NotVerified("the user name or password is wrong")

    def handshake(self, value: Any) -> Handshake | None:
        """There is none."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Give the first credentials."""
        return Signed({"authorization": "Basic " + base64.b64encode(self._credentials[0]).decode()})
