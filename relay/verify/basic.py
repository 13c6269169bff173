"""HTTP Basic authentication (RFC 7617) with one user name and any of several passwords."""

import base64
import binascii
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify.checks import header, matches_any
from relay.verify.options import SecretOptions
from relay.verify.scheme import Incoming, Scheme, Signed


class Basic(Scheme):
    """The scheme `basic`."""

    name = "basic"
    secret_headers = frozenset({"authorization"})

    def __init__(self, secrets: Sequence[bytes], username: str) -> None:
        self._credentials = [username.encode() + b":" + secret for secret in secrets]

    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Compare user name and password as one value."""
        kind, _, encoded = header(incoming, "authorization").partition(" ")
        if kind.lower() != "basic":
            raise NotVerified("the authorization is not Basic")
        try:
            credentials = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise NotVerified("the Basic credentials are not base64") from None
        if not matches_any(self._credentials, [credentials]):
            raise NotVerified("the user name or password is wrong")

    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Give the first credentials."""
        encoded = base64.b64encode(self._credentials[0]).decode()
        return Signed({"authorization": f"Basic {encoded}"})


class BasicOptions(SecretOptions):
    """HTTP Basic."""

    scheme: Literal["basic"] = Field(description="A user name and a password (RFC 7617).")
    username: str = Field(
        description="The user name; the secrets are its passwords.", examples=["relay"]
    )

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these passwords."""
        return Basic(secrets, self.username)


OPTIONS = BasicOptions
