"""GitHub: hex HMAC-SHA256 of the body in `x-hub-signature-256`; SHA-1 is not accepted.

Rule: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from relay.verify.mac import Mac, Recipe
from relay.verify.options import SecretOptions
from relay.verify.scheme import EventDefaults, Scheme


class Github(Mac):
    """The scheme `github`."""

    name = "github"
    defaults = EventDefaults(id='headers["x-github-delivery"]', type='headers["x-github-event"]')

    def __init__(self, secrets: Sequence[bytes]) -> None:
        super().__init__(secrets, Recipe(header="x-hub-signature-256", prefix="sha256="))


class GithubOptions(SecretOptions):
    """GitHub."""

    scheme: Literal["github"] = Field(description="GitHub's `x-hub-signature-256`.")

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these secrets."""
        return Github(secrets)


OPTIONS = GithubOptions
