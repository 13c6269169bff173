"""Stripe's own rules: one plain time, and v1 signatures alone."""

import pytest

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify import Incoming
from relay.verify.stripe import Stripe

NOW = Wall(1_700_000_000.0)
SCHEME = Stripe([b"whsec_one"])
GOOD = SCHEME.sign(b"{}", "msg_1", NOW).headers["stripe-signature"]
ODD_TIMES = ["", "Infinity", "inf", "NaN", "+1700000000", " 1700000000", "-1", "1.0", "1e9",
             "\N{ARABIC-INDIC DIGIT ONE}", "1_700_000_000", "0x1", "9" * 13]  # fmt: skip


def verify(value: str) -> None:
    SCHEME.verify(Incoming({"stripe-signature": value}, b"{}"), NOW)


def refused(value: str) -> None:
    with pytest.raises(NotVerified):
        verify(value)


@pytest.mark.parametrize("text", ODD_TIMES, ids=ascii)
def test_timestamp_is_plain_digits(text: str) -> None:
    """The digits after t= are taken as they stand; only spaces around commas mean nothing."""
    refused(GOOD.replace("t=1700000000", f"t={text}"))
    verify(GOOD.replace(",", " , "))


def test_two_timestamps_are_refused() -> None:
    """With two t= nobody can tell which one was signed: malformed."""
    for value in (f"{GOOD},t=1700000000", f"t=1,{GOOD}", f"t=1700000000,{GOOD}"):
        refused(value)


def test_v0_is_ignored() -> None:
    """A signature under v0 is no signature, even if it is right: no downgrade."""
    verify(GOOD + ",v0=00")
    refused(GOOD.replace("v1=", "v0="))


def test_any_of_several_signatures_verifies() -> None:
    """While Stripe rolls a secret it signs with both: one of them is enough."""
    verify(GOOD.replace("v1=", "v1=00,v1="))
    verify(GOOD + ",v1=00")
