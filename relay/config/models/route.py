"""The keys of `route.yaml`."""

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
from relay.fields.model import (
    Model,
    Name,
    Positive,
    Secrets,
    name,
    own_headers,
)
from relay.fields.units import Duration, Kept, PerTime, Size, fault
from relay.verify.schemes import AnyVerify


class SenderFile(Model):
    """One who posts to a URL of its own, with secrets of its own."""

    secrets: Secrets = Field(
        description="References of the secrets: each of them verifies, the first one signs."
    )


class EventFile(Model):
    """Expressions for the event's facts; each scheme has defaults."""

    id: str | None = Field(
        default=None,
        description="Expression for the sender's id, by which events are deduplicated.",
    )
    type: str | None = Field(default=None, description="Expression for the kind of event.")
    key: str | None = Field(
        default=None,
        description="Expression for what the event is about; order and partitions go by it.",
    )
    dedupe: Duration = Field(
        default=7 * 86400.0, description="Time that an id counts as seen; 0s for no deduplication."
    )


class Payload(Model):
    """The form that a body must have."""

    model: str | None = Field(
        default=None, description="FILE.py:NAME of a pydantic model beside route.yaml."
    )
    json_schema: str | None = Field(
        default=None, alias="schema", description="File of a JSON Schema beside route.yaml."
    )
    invalid: Literal["reject", "quarantine"] = Field(
        default="reject",
        description="A body that is not valid is answered 422, or kept in quarantine.",
    )

    @model_validator(mode="after")
    def _one(self) -> "Payload":
        if (self.model is None) == (self.json_schema is None):
            raise fault(
                "payload needs exactly one of model and schema",
                "give one of `model: FILE:NAME`, `schema: FILE`",
            )
        return self


class RouteLimits(Model):
    """A route's limits."""

    body: Size = Field(
        default=1 << 20,
        description="Size of a body, before and after decompression; 413 beyond it.",
    )
    rate: PerTime | None = Field(
        default=None, description="Verified requests in a time; 429 beyond it."
    )
    time: Positive = Field(
        default=1.0, description="Time that one call of a model, transform or metric may take."
    )


class Respond(Model):
    """The answer to what is accepted."""

    status: Literal[200, 201, 202, 204] = Field(
        default=202, description="Status of the answer once the event is committed."
    )


class EachFile(Model):
    """A recipient list."""

    each: str = Field(description="Expression for a list: one delivery for each `item` of it.")
    target: str = Field(description="Expression for the target's name, which sees `item`.")


def _to_kind(value: Any) -> str:
    return "<each>" if isinstance(value, dict | EachFile) else "<target>"


To = Annotated[
    Annotated[str, Tag("<target>")] | Annotated[EachFile, Tag("<each>")], Discriminator(_to_kind)
]


class ForwardFile(Model):
    """One rule."""

    to: To = Field(description="Target that gets a delivery, or a recipient list.")
    name: str | None = Field(
        default=None, description="Name in `relay why` and in the log; the target's without it."
    )
    when: str | None = Field(
        default=None, description="Expression: take the event only if it is true."
    )
    transform: str | None = Field(
        default=None,
        description="FILE.py:NAME of a function beside route.yaml that makes the body.",
    )
    body: str | None = Field(default=None, description="Expression for the new body.")
    headers: dict[str, str] = Field(
        default={}, description="Expressions for headers of the request, by name."
    )
    ordered: bool = Field(
        default=False,
        description="One delivery at a time for each key, in the order of acceptance.",
    )

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

    path: str | None = Field(
        default=None, description="Path of the incoming URL; /in/<folder> without it."
    )
    verify: AnyVerify = Field(description="How a sender proves that it sent a request.")
    senders: Annotated[dict[Name, SenderFile], Field(min_length=1)] | None = Field(
        default=None, description="Senders by name, each with a URL and secrets of its own."
    )
    event: EventFile = Field(
        default=EventFile.model_construct(),
        description="Expressions for the event's id, type and key.",
    )
    payload: Payload | None = Field(
        default=None, description="What a body must be; anything without it."
    )
    authorize: str | None = Field(
        default=None, description="Expression: a verified sender may send this only if it is true."
    )
    limits: RouteLimits = Field(
        default=RouteLimits.model_construct(), description="Bounds on what the route takes."
    )
    retention: Kept | None = Field(
        default=None, description="Time that its events are kept; the relay's own without it."
    )
    respond: Respond = Field(
        default=Respond.model_construct(), description="Answer to an accepted request."
    )
    forward: Annotated[list[ForwardFile], Field(min_length=1)] = Field(
        description="Rules: which targets get the event, when, with which body."
    )
    metrics: list[MetricFile] = Field(
        default=[], description="Series of the route's own, out of its events."
    )

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            raise fault(
                f"{value!r} is not a path", "write /segments of letters, digits, dots and dashes"
            )
        return value
