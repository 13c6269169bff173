"""Any HMAC: spells out a provider that has no scheme of its own."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from relay.fields.model import Model, header_name
from relay.fields.units import Duration
from relay.verify.mac import Encoding, Hash, Mac, Recipe
from relay.verify.options import TOLERANCE, SecretOptions
from relay.verify.scheme import EventDefaults, Scheme

_DEFAULT = Recipe(header="")


class Hmac(Mac):
    """The scheme `hmac`."""

    name = "hmac"

    def __init__(self, secrets: Sequence[bytes], recipe: Recipe) -> None:
        super().__init__(secrets, recipe)
        if recipe.id_header:
            self.defaults = EventDefaults(id=f'headers["{recipe.id_header}"]')


class Timestamp(Model):
    """Where the signed time stands."""

    header: str = Field(
        description="The header with the time at which the request was signed, in seconds.",
        examples=["x-timestamp"],
    )
    tolerance: Duration = Field(
        default=TOLERANCE,
        description="How far that time may be from the relay's clock, either way.",
    )

    _check = field_validator("header")(header_name)


class MessageId(Model):
    """Where the signed id stands."""

    header: str = Field(description="The header with the request's id.", examples=["x-id"])

    _check = field_validator("header")(header_name)


class HmacOptions(SecretOptions):
    """Any HMAC."""

    scheme: Literal["hmac"] = Field(description="An HMAC that the options below spell out.")
    header: str = Field(
        description="The header with the prefix and the signature.", examples=["x-signature"]
    )
    prefix: str = Field(
        default=_DEFAULT.prefix, description="The text before the signature, such as `sha256=`."
    )
    hash: Hash = Field(default=_DEFAULT.hash, description="The hash of the HMAC.")
    encoding: Encoding = Field(
        default=_DEFAULT.encoding, description="How the signature is written."
    )
    signed: str = Field(
        default=_DEFAULT.signed,
        description="The signed text, of {id}, {timestamp}, {method}, {url} and {body}.",
    )
    timestamp: Timestamp | None = Field(
        default=None, description="Where the time stands, if the signed text has it."
    )
    id: MessageId | None = Field(
        default=None, description="Where the id stands, if requests have one."
    )
    url: str = Field(
        default=_DEFAULT.url,
        description="The URL that the sender posts to, if the signed text has it.",
    )

    _check = field_validator("header")(header_name)

    def build(self, secrets: Sequence[bytes]) -> Scheme:
        """Return the scheme over these secrets; raise OptionInvalid if `signed` can't hold."""
        recipe = Recipe(
            header=self.header,
            prefix=self.prefix,
            hash=self.hash,
            encoding=self.encoding,
            signed=self.signed,
            timestamp_header=self.timestamp.header if self.timestamp else "",
            tolerance=self.timestamp.tolerance if self.timestamp else 0.0,
            id_header=self.id.header if self.id else "",
            url=self.url,
        )
        return Hmac(secrets, recipe)


OPTIONS = HmacOptions
