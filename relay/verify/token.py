"""A shared token in a header, compared in constant time: GitLab's `x-gitlab-token`, `authorization: Bearer`."""

from collections.abc import Sequence
from typing import Any

from relay.errors import NotVerified
from relay.verify.scheme import EventDefaults, Handshake, Incoming, Signed, header, matches_any

AUTHORIZATION = "authorization"
_BEARER = "bearer "


class Token:
    """The scheme `token`. In `authorization` the token stands after `Bearer`, in any other header alone."""

    name = "token"
    defaults = EventDefaults()

    def __init__(self, secrets: Sequence[bytes], header: str = AUTHORIZATION) -> None:
        self._secrets = secrets
        self._header = header.lower()
        self.secret_headers = frozenset({self._header})

    def verify(self, incoming: Incoming, now: float) -> None:
        """Compare the header's token with each secret."""
        value = header(incoming, self._header)
        if self._header == AUTHORIZATION:
            if not value.lower().startswith(_BEARER):
                raise NotVerified("the authorization is not a Bearer token")
            value = value[len(_BEARER) :].strip()
        if not matches_any(self._secrets, [value.encode("utf-8", "surrogateescape")]):
            raise NotVerified("the token is not one of ours")

    def handshake(self, value: Any) -> Handshake | None:
        """There is none."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Give the first token."""
        prefix = "Bearer " if self._header == AUTHORIZATION else ""
        return Signed({self._header: prefix + self._secrets[0].decode("utf-8", "surrogateescape")})
