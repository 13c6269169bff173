"""A shared token in a header: GitLab's `x-gitlab-token`, `authorization: Bearer`."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from relay.clock import Wall
from relay.errors import NotVerified
from relay.fields.model import header_name
from relay.verify.checks import header, matches_any
from relay.verify.options import SecretOptions
from relay.verify.scheme import Incoming, Scheme, Signed

AUTHORIZATION = "authorization"
_BEARER = "bearer "


class Token(Scheme):
    """The scheme `token`.

    In `authorization` the token stands after `Bearer` (RFC 6750), in any other header alone.
    """

    name = "token"

    def __init__(self, secrets: Sequence[bytes], header: str = AUTHORIZATION) -> None:
        self._secrets = secrets
        self._header = header.lower()
        self.secret_headers = frozenset({self._header})

    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Compare the header's token with each secret."""
        value = header(incoming, self._header)
        if self._header == AUTHORIZATION:
            if not value.lower().startswith(_BEARER):
                raise NotVerified("the authorization is not a Bearer token")
            value = value[len(_BEARER) :].strip()
        if not matches_any(self._secrets, [value.encode("utf-8", "surrogateescape")]):
            raise NotVerified("the token is not one of ours")

    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Give the first token."""
        prefix = "Bearer " if self._header == AUTHORIZATION else ""
        return Signed({self._header: prefix + self._secrets[0].decode("utf-8", "surrogateescape")})


class TokenOptions(SecretOptions):
    """A shared token."""

    scheme: Literal["token"] = Field(description="A token that the sender puts into a header.")
    header: str = Field(
        default=AUTHORIZATION,
        description="The token's header; in `authorization` the token stands after `Bearer`.",
    )

    _check = field_validator("header")(header_name)

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these tokens."""
        return Token(secrets, self.header)


OPTIONS = TokenOptions
