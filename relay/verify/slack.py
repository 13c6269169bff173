"""Slack: hex HMAC-SHA256 of `v0:timestamp:body` in `x-slack-signature`, and the URL's challenge.

Rules: https://docs.slack.dev/authentication/verifying-requests-from-slack and
https://docs.slack.dev/reference/events/url_verification
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from relay.verify.mac import Mac, Recipe
from relay.verify.options import TOLERANCE, TimedOptions
from relay.verify.scheme import EventDefaults, Handshake, Scheme

_TYPE = (
    'has(body.event) && has(body.event.type) ? body.event.type : "type" in body ? body.type : ""'
)


class Slack(Mac):
    """The scheme `slack`; `tolerance` is in seconds."""

    name = "slack"
    defaults = EventDefaults(id="body.event_id", type=_TYPE)

    def __init__(self, secrets: Sequence[bytes], tolerance: float = TOLERANCE) -> None:
        recipe = Recipe(
            header="x-slack-signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp_header="x-slack-request-timestamp",
            tolerance=tolerance,
        )
        super().__init__(secrets, recipe)

    def handshake(self, value: Any) -> Handshake | None:
        """Answer `url_verification` with its challenge."""
        if not isinstance(value, dict) or value.get("type") != "url_verification":
            return None
        return Handshake(json.dumps({"challenge": str(value.get("challenge", ""))}).encode())


class SlackOptions(TimedOptions):
    """Slack."""

    scheme: Literal["slack"] = Field(description="Slack's `x-slack-signature`.")

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these signing secrets."""
        return Slack(secrets, self.tolerance)


OPTIONS = SlackOptions
