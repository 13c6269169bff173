"""What may stand under a target, and in a targets file."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    field_validator,
    model_validator,
)

from relay.fields.model import (
    PORTS,
    Model,
    Name,
    Positive,
    Secrets,
    is_header_value,
    own_header,
    own_headers,
)
from relay.fields.units import Duration, PerTime, fault
from relay.targets.atom import is_id, is_link

_URL = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::(\d{1,5}))?(?:[/?][^\s#]*)?")


class Timeout(Model):
    """How long an attempt may take."""

    connect: Positive = 5.0
    total: Positive = 15.0


class Exponential(Model):
    """Waits that grow by a factor."""

    initial: Positive = 5.0
    factor: float = Field(default=3.0, ge=1, le=100)
    max: Positive = 36000.0
    attempts: int = Field(default=8, ge=1, le=1000)


class Retry(Model):
    """When a failed delivery is tried again; the default goes on for two days."""

    schedule: Annotated[list[Duration], Field(max_length=1000)] | None = None
    exponential: Exponential | None = None
    jitter: float = Field(default=0.2, ge=0, lt=1)
    max_age: Positive = 3 * 86400.0

    @model_validator(mode="after")
    def _one(self) -> "Retry":
        if self.schedule is not None and self.exponential is not None:
            raise fault("schedule and exponential are both given", "keep one of the two")
        return self


class Sign(Model):
    """Sign what is sent, after Standard Webhooks."""

    scheme: Literal["standard-webhooks"] = "standard-webhooks"
    secrets: Secrets


class BreakerFile(Model):
    """When a failing target is left alone for a while."""

    failures: int = Field(default=5, ge=1)
    cool_off: Positive = 30.0
    max_cool_off: Positive = 600.0


class BasicAuth(Model):
    """HTTP Basic credentials."""

    username: str
    password: str


class HeaderAuth(Model):
    """A secret in a header of its own."""

    name: str
    value: str

    _check = field_validator("name")(own_header)


class Auth(Model):
    """How the relay proves itself to a target: one of these."""

    bearer: str | None = None
    basic: BasicAuth | None = None
    header: HeaderAuth | None = None

    @model_validator(mode="after")
    def _one(self) -> "Auth":
        if sum(way is not None for way in (self.bearer, self.basic, self.header)) != 1:
            raise fault("auth needs exactly one way", "give one of bearer, basic, header")
        return self


class HttpTarget(Model):
    """Deliveries go to a URL."""

    url: str
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    timeout: Timeout = Timeout.model_construct()
    concurrency: int = Field(default=16, ge=1, le=1000)
    partitions: int = Field(default=1, ge=1, le=64)
    rate: PerTime | None = None
    retry: Retry = Retry.model_construct()
    breaker: BreakerFile = BreakerFile.model_construct()
    sign: Sign | None = None
    auth: Auth | None = None
    headers: dict[str, str] = Field(default={})
    give_up_on: list[Annotated[int, Field(ge=300, le=599)]] = Field(default=[])

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        found = _URL.fullmatch(value)
        if found is None or int(found[1] or 0) > PORTS:
            raise fault(
                "is not a target's URL",
                "write http://… or https://… without user, password or fragment; credentials go under `auth`",
            )
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not is_header_value(text):
                raise fault(
                    f"the value of {name} has control characters",
                    "write printable text on one line",
                )
        return own_headers(value)


class FileTarget(Model):
    """Deliveries are appended to a file, one JSON line each."""

    file: Path
    retry: Retry = Retry.model_construct()


class FeedTarget(Model):
    """Deliveries become entries of an Atom feed, of which a file keeps the newest."""

    feed: Path
    title: str = Field(min_length=1)
    id: str | None = None
    entries: int = Field(default=100, ge=1, le=10_000)
    link: str | None = None
    retry: Retry = Retry.model_construct()

    @field_validator("title")
    @classmethod
    def _check_title(cls, value: str) -> str:
        if not value.isprintable() or not value.strip():
            raise fault("can't be a feed's title", "write printable text on one line")
        return value

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str | None) -> str | None:
        if value is not None and not is_id(value):
            raise fault(f"{value!r} can't be a feed's id", "write an IRI, such as urn:example:news")
        return value

    @field_validator("link")
    @classmethod
    def _check_link(cls, value: str | None) -> str | None:
        if value is not None and not is_link(value):
            raise fault(f"{value!r} is not a page's URL", "write http://… or https://…")
        return value


def _target_kind(value: Any) -> str:
    if isinstance(value, FileTarget | FeedTarget):
        return "<file>" if isinstance(value, FileTarget) else "<feed>"
    if not isinstance(value, dict) or "url" in value:
        return "<url>"
    return "<file>" if "file" in value else "<feed>" if "feed" in value else "<url>"


Target = HttpTarget | FileTarget | FeedTarget
AnyTarget = Annotated[
    Annotated[HttpTarget, Tag("<url>")]
    | Annotated[FileTarget, Tag("<file>")]
    | Annotated[FeedTarget, Tag("<feed>")],
    Discriminator(_target_kind),
]


def _targets_kind(value: Any) -> str:
    return "<path>" if isinstance(value, str | Path) else "<targets>"


Targets = Annotated[
    Annotated[dict[Name, AnyTarget], Tag("<targets>")] | Annotated[Path, Tag("<path>")],
    Discriminator(_targets_kind),
]


class TargetsFile(RootModel[dict[Name, AnyTarget]]):
    """A file of targets, named by `targets:`; its keys are the targets' names."""

    model_config = ConfigDict(defer_build=True)
