"""`verify:` sections to schemes."""

from collections.abc import Sequence

from relay.config import models
from relay.verify import (
    Basic,
    Mac,
    MacOptions,
    Scheme,
    Slack,
    StandardWebhooks,
    Stripe,
    Token,
    Unverified,
    github,
)


def build(verify: models.AnyVerify, secrets: Sequence[bytes]) -> Scheme:
    """Return the scheme of a section; raise ValueError if its secrets or options don't fit it."""
    match verify:
        case models.VerifyStandard():
            return StandardWebhooks(secrets, verify.tolerance)
        case models.VerifyGithub():
            return github(secrets)
        case models.VerifyStripe():
            return Stripe(secrets, verify.tolerance)
        case models.VerifySlack():
            return Slack(secrets, verify.tolerance)
        case models.VerifyToken():
            return Token(secrets, verify.header)
        case models.VerifyBasic():
            return Basic(secrets, verify.username)
        case models.VerifyNone():
            return Unverified()
        case models.VerifyHmac():
            return Mac(
                secrets,
                MacOptions(
                    header=verify.header,
                    prefix=verify.prefix,
                    hash=verify.hash,
                    encoding=verify.encoding,
                    signed=verify.signed,
                    timestamp_header=verify.timestamp.header if verify.timestamp else "",
                    tolerance=verify.timestamp.tolerance if verify.timestamp else 0.0,
                    id_header=verify.id.header if verify.id else "",
                    url=verify.url,
                ),
            )
