"""What may stand in `route.yaml`."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from relay.config.models.metric import MetricFile
from relay.config.models.verify import AnyVerify
from relay.fields.model import (
    Model,
    Name,
    Positive,
    Secrets,
    name,
    own_headers,
)
from relay.fields.units import Duration, Kept, PerTime, Size, fault


class SenderFile(Model):
    """One who posts to a URL of its own, with secrets of its own."""

    secrets: Secrets


class EventFile(Model):
    """Expressions for the event's facts; each scheme has defaults."""

    id: str | None = None
    type: str | None = None
    key: str | None = None
    dedupe: Duration = 7 * 86400.0


class Payload(Model):
    """What a body must be."""

    model: str | None = None
    json_schema: str | None = Field(default=None, alias="schema")
    invalid: Literal["reject", "quarantine"] = "reject"

    @model_validator(mode="after")
    def _one(self) -> "Payload":
        if (self.model is None) == (self.json_schema is None):
            raise fault(
                "payload needs exactly one of model and schema",
                "give one of `model: FILE:NAME`, `schema: FILE`",
            )
        return self


class RouteLimits(Model):
    """What a route takes at most."""

    body: Size = 1 << 20
    rate: PerTime | None = None
    time: Positive = 1.0


class Respond(Model):
    """The answer to what is accepted."""

    status: Literal[200, 201, 202, 204] = 202


class EachFile(Model):
    """A recipient list."""

    each: str
    target: str


def _to_kind(value: Any) -> str:
    return "<each>" if isinstance(value, dict | EachFile) else "<target>"


To = Annotated[
    Annotated[str, Tag("<target>")] | Annotated[EachFile, Tag("<each>")], Discriminator(_to_kind)
]


class ForwardFile(Model):
    """One rule."""

    to: To
    name: str | None = None
    when: str | None = None
    transform: str | None = None
    body: str | None = None
    headers: dict[str, str] = Field(default={})
    ordered: bool = False

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        return None if value is None else name(value)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        return own_headers(value)

    @model_validator(mode="after")
    def _one(self) -> "ForwardFile":
        if self.transform is not None and self.body is not None:
            raise fault("transform and body are both given", "keep one of the two")
        return self


class RouteFile(Model):
    """`route.yaml`."""

    path: str | None = None
    verify: AnyVerify
    senders: Annotated[dict[Name, SenderFile], Field(min_length=1)] | None = None
    event: EventFile = EventFile.model_construct()
    payload: Payload | None = None
    authorize: str | None = None
    limits: RouteLimits = RouteLimits.model_construct()
    retention: Kept | None = None
    respond: Respond = Respond.model_construct()
    forward: Annotated[list[ForwardFile], Field(min_length=1)]
    metrics: list[MetricFile] = Field(default=[])

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            raise fault(
                f"{value!r} is not a path", "write /segments of letters, digits, dots and dashes"
            )
        return value
