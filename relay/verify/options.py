"""Options of a scheme: the keys under `verify:` of route.yaml, and the scheme that they make."""

from abc import abstractmethod
from collections.abc import Sequence

from pydantic import Field

from relay.fields.model import Model, Secrets
from relay.fields.units import Duration
from relay.verify.scheme import Scheme

TOLERANCE = 300.0
"""Seconds either way: Standard Webhooks, Stripe and Slack all say five minutes."""


class Options(Model):
    """Options of a scheme without secrets. Each scheme's own say its name in a Literal."""

    scheme: str

    def check_secret(self, secret: bytes) -> None:
        """Raise KeyInvalid if `secret` can't be a key; most schemes take any bytes."""

    @abstractmethod
    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over secrets that have been checked; the first one signs.

        Raises OptionInvalid if options don't fit each other.
        """


class SecretOptions(Options):
    """Options of a scheme whose senders hold secrets."""

    secrets: Secrets | None = Field(
        default=None,
        repr=False,
        description="References to the secrets: all verify, the first one signs.",
    )


class TimedOptions(SecretOptions):
    """Options of a scheme whose requests carry the time at which they were signed."""

    tolerance: Duration = Field(
        default=TOLERANCE,
        description="How far a request's time may be from the relay's clock, either way.",
    )
