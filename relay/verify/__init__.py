"""Who sent this? Schemes that verify a request over its raw bytes, and that sign one for `relay send`.

Rules they all keep: raw bytes first, parse after; constant-time comparison; signature before timestamp;
strict ASCII digits; tolerance both ways; any of several secrets against any of several signatures;
what is unknown fails closed.
"""

from relay.verify.basic import Basic
from relay.verify.mac import Mac, MacOptions, github
from relay.verify.none import Unverified
from relay.verify.scheme import EventDefaults, Handshake, Incoming, Scheme, Signed
from relay.verify.slack import Slack
from relay.verify.standard import StandardWebhooks
from relay.verify.stripe import Stripe
from relay.verify.token import Token

__all__ = [
    "Basic",
    "EventDefaults",
    "Handshake",
    "Incoming",
    "Mac",
    "MacOptions",
    "Scheme",
    "Signed",
    "Slack",
    "StandardWebhooks",
    "Stripe",
    "Token",
    "Unverified",
    "github",
]
