"""Basic's own rules: user name and password, to the byte."""

import base64

import pytest

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming
from relay.verify.basic import Basic

NOW = Wall(1_700_000_000.0)


def verify(scheme: Basic, pair: str, word: str = "Basic") -> None:
    encoded = base64.b64encode(pair.encode()).decode()
    scheme.verify(Incoming({"authorization": f"{word} {encoded}"}, b""), NOW)


@pytest.mark.parametrize(
    "pair", ["relay:", "relay", ":secret", "Relay:secret", "relay:secret ", "relay:SECRET", ""]
)
def test_pair_is_exact(pair: str) -> None:
    """User name and password must both be right."""
    with pytest.raises(NotVerified):
        verify(Basic([b"secret"], "relay"), pair)


def test_password_may_hold_a_colon() -> None:
    """Only the first colon parts user name and password (RFC 7617 §2)."""
    verify(Basic([b"se:cret"], "relay"), "relay:se:cret")


def test_word_may_be_in_any_case() -> None:
    """The word's case does not matter (RFC 9110 §11.1); another word is refused."""
    verify(Basic([b"secret"], "relay"), "relay:secret", "bASIC")
    with pytest.raises(NotVerified):
        verify(Basic([b"secret"], "relay"), "relay:secret", "Bearer")
