"""What may stand under `verify` in `route.yaml`, scheme by scheme; `secrets` stand under `senders` if there are any."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
)

from relay.fields.model import Model, Secrets, header_name
from relay.fields.units import Duration


class VerifyStandard(Model):
    """Standard Webhooks."""

    scheme: Literal["standard-webhooks"]
    secrets: Secrets | None = None
    tolerance: Duration = 300.0


class VerifyGithub(Model):
    """GitHub."""

    scheme: Literal["github"]
    secrets: Secrets | None = None


class VerifyStripe(Model):
    """Stripe."""

    scheme: Literal["stripe"]
    secrets: Secrets | None = None
    tolerance: Duration = 300.0


class VerifySlack(Model):
    """Slack."""

    scheme: Literal["slack"]
    secrets: Secrets | None = None
    tolerance: Duration = 300.0


class Timestamp(Model):
    """Where the signed time stands."""

    header: str
    tolerance: Duration = 300.0

    _check = field_validator("header")(header_name)


class MessageId(Model):
    """Where the signed id stands."""

    header: str

    _check = field_validator("header")(header_name)


class VerifyHmac(Model):
    """Any HMAC."""

    scheme: Literal["hmac"]
    header: str
    prefix: str = ""
    hash: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    signed: str = "{body}"
    timestamp: Timestamp | None = None
    id: MessageId | None = None
    url: str = ""
    secrets: Secrets | None = None

    _check = field_validator("header")(header_name)


class VerifyToken(Model):
    """A shared token."""

    scheme: Literal["token"]
    header: str = "authorization"
    secrets: Secrets | None = None

    _check = field_validator("header")(header_name)


class VerifyBasic(Model):
    """HTTP Basic."""

    scheme: Literal["basic"]
    username: str
    secrets: Secrets | None = None


class VerifyNone(Model):
    """No verification."""

    scheme: Literal["none"]


AnyVerify = Annotated[
    VerifyStandard
    | VerifyGithub
    | VerifyStripe
    | VerifySlack
    | VerifyHmac
    | VerifyToken
    | VerifyBasic
    | VerifyNone,
    Field(discriminator="scheme"),
]
