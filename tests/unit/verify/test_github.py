"""GitHub's own rules: the prefix is needed, and SHA-1 opens nothing."""

import pytest

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming
from relay.verify.github import Github
from relay.verify.hmac import Hmac
from relay.verify.mac import Recipe

NOW = Wall(1_700_000_000.0)
SCHEME = Github([b"secret"])


def test_prefix_is_needed() -> None:
    """`sha256=` belongs to the value; without it, in capitals or as sha1 it is refused."""
    right = SCHEME.sign(b"{}", "", NOW).headers["x-hub-signature-256"].removeprefix("sha256=")
    for value in (right, f"SHA256={right}", f"sha1={right}", f" sha256={right}", "sha256="):
        with pytest.raises(NotVerified):
            SCHEME.verify(Incoming({"x-hub-signature-256": value}, b"{}"), NOW)


def test_sha1_is_refused() -> None:
    """The legacy header `x-hub-signature` opens nothing."""
    legacy = Hmac([b"secret"], Recipe(header="x-hub-signature", prefix="sha1=", hash="sha1"))
    with pytest.raises(NotVerified):
        SCHEME.verify(Incoming(legacy.sign(b"{}", "", NOW).headers, b"{}"), NOW)
