"""The scheme `none` adds nothing and refuses nothing."""

import pytest
from pydantic import ValidationError

from relay.clock import Wall
from relay.verify import Incoming
from relay.verify.none import NoneOptions, Unverified

NOW = Wall(1_700_000_000.0)


def test_none_takes_anything() -> None:
    """No header is needed, and none is added."""
    scheme = Unverified()
    assert not scheme.sign(b"", "msg_1", NOW).headers
    scheme.verify(Incoming({}, b"\xff"), NOW)


def test_none_has_no_secrets() -> None:
    """Secrets without effect would look like a protection: the key is unknown."""
    with pytest.raises(ValidationError, match="secrets"):
        NoneOptions.model_validate({"scheme": "none", "secrets": ["env:KEY"]})
