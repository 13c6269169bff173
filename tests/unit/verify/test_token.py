"""The token's own rules: after `Bearer` in `authorization`, alone in any other header."""

import pytest

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming
from relay.verify.token import Token

NOW = Wall(1_700_000_000.0)


def verify(token: Token, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    token.verify(Incoming(named, b""), NOW)


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Basic abc", "abc", "Bearer abcx", "Bearer abc abc", "Token abc"]
)
def test_bearer_is_exact(value: str) -> None:
    """In `authorization` the token stands after `Bearer`, whole and alone."""
    with pytest.raises(NotVerified):
        verify(Token([b"abc"]), authorization=value)


def test_bearer_may_be_in_any_case() -> None:
    """The word's case does not matter (RFC 9110 §11.1); the token's does."""
    verify(Token([b"abc"]), authorization="bEARER abc")
    with pytest.raises(NotVerified):
        verify(Token([b"abc"]), authorization="Bearer ABC")


def test_other_header_holds_the_token_alone() -> None:
    """GitLab's `x-gitlab-token` has no word before the token."""
    token = Token([b"abc"], header="X-Gitlab-Token")
    assert token.secret_headers == {"x-gitlab-token"}
    verify(token, x_gitlab_token="abc")
    with pytest.raises(NotVerified):
        verify(token, x_gitlab_token="Bearer abc")


def test_token_may_be_any_bytes() -> None:
    """A token that is no UTF-8 is signed and verified as the same bytes."""
    token = Token([b"\xff\xfe"], header="x-token")
    token.verify(Incoming(token.sign(b"", "", NOW).headers, b""), NOW)
