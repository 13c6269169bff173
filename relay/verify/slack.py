"""Slack: hex HMAC-SHA256 of `v0:timestamp:body` in `x-slack-signature`, and the URL's challenge.

Rules: https://docs.slack.dev/authentication/verifying-requests-from-slack and
https://docs.slack.dev/reference/events/url_verification
"""

import json
from collections.abc import Sequence
from typing import Any

from relay.verify.mac import Mac, MacOptions
from relay.verify.scheme import TOLERANCE, EventDefaults, Handshake

_TYPE = (
    'has(body.event) && has(body.event.type) ? body.event.type : "type" in body ? body.type : ""'
)


class Slack(Mac):
    """The scheme `slack`."""

    def __init__(self, secrets: Sequence[bytes], tolerance: float = TOLERANCE) -> None:
        options = MacOptions(
            header="x-slack-signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp_header="x-slack-request-timestamp",
            tolerance=tolerance,
        )
        super().__init__(
            secrets, options, name="slack", defaults=EventDefaults(id="body.event_id", type=_TYPE)
        )

    def handshake(self, value: Any) -> Handshake | None:
        """Answer `url_verification` with its challenge."""
        if not isinstance(value, dict) or value.get("type") != "url_verification":
            return None
        return Handshake(json.dumps({"challenge": str(value.get("challenge", ""))}).encode())
