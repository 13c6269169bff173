"""What may stand in `relay.yaml`, in a targets file and in `route.yaml`. Unknown keys are errors."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    field_validator,
    model_validator,
)

from relay.config.units import Duration, Kept, PerTime, Size, fault
from relay.route import FRAMING

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_URL = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::(\d{1,5}))?(?:[/?][^\s#]*)?")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})")
_PORTS = 65535
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Model(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def is_name(text: str) -> bool:
    """Tell whether `text` may name a route or a target."""
    return _NAME.fullmatch(text) is not None


def _name(value: str) -> str:
    if not is_name(value):
        raise fault(f"{value!r} can't be a name", "use letters, digits, dots, dashes and underscores")
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise fault(f"{value!r} can't be a header's name", "use letters, digits and dashes")
    return value.lower()


def _own_headers(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if _header(name) in FRAMING:
            raise fault(f"{name.lower()} is not yours to set", "remove it; the relay frames what it sends")
    return {_header(name): text for name, text in headers.items()}


def _listen(value: str) -> str:
    found = _LISTEN.fullmatch(value)
    if found is None or int(found[2]) > _PORTS:
        raise fault(f"{value!r} is not an address to listen on", "write HOST:PORT, such as 127.0.0.1:8080")
    return value


Name = Annotated[str, AfterValidator(_name)]
Positive = Annotated[Duration, Field(gt=0)]
Secrets = Annotated[list[str], Field(min_length=1)]


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

    _check = field_validator("name")(_header)


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
    timeout: Timeout = Timeout()
    concurrency: int = Field(default=16, ge=1, le=1000)
    rate: PerTime | None = None
    retry: Retry = Retry()
    breaker: BreakerFile = BreakerFile()
    sign: Sign | None = None
    auth: Auth | None = None
    headers: dict[str, str] = {}
    give_up_on: list[Annotated[int, Field(ge=300, le=599)]] = []

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        found = _URL.fullmatch(value)
        if found is None or int(found[1] or 0) > _PORTS:
            raise fault(
                "is not a target's URL",
                "write http://… or https://… without user, password or fragment; credentials go under `auth`",
            )
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if _CONTROL.search(text):
                raise fault(f"the value of {name} has control characters", "write printable text on one line")
        return _own_headers(value)


class FileTarget(Model):
    """Deliveries are appended to a file, one JSON line each."""

    file: Path
    retry: Retry = Retry()


def _target_kind(value: Any) -> str:
    if isinstance(value, FileTarget) or (isinstance(value, dict) and "file" in value and "url" not in value):
        return "<file>"
    return "<url>"


Target = HttpTarget | FileTarget
AnyTarget = Annotated[
    Annotated[HttpTarget, Tag("<url>")] | Annotated[FileTarget, Tag("<file>")], Discriminator(_target_kind)
]


def _targets_kind(value: Any) -> str:
    return "<path>" if isinstance(value, str | Path) else "<targets>"


Targets = Annotated[
    Annotated[dict[Name, AnyTarget], Tag("<targets>")] | Annotated[Path, Tag("<path>")],
    Discriminator(_targets_kind),
]


class Admin(Model):
    """The listener for metrics, health, API and console."""

    listen: str = "127.0.0.1:8081"
    token: str | None = None

    _check = field_validator("listen")(_listen)


class Limits(Model):
    """What the relay takes on at most."""

    waiting: int = Field(default=10_000, ge=1, description="commits that wait, before 503")
    memory: Size = 64 << 20
    body_timeout: Positive = 30.0
    shutdown: Duration = 20.0


class Retention(Model):
    """How long events and dead letters are kept."""

    events: Kept = 7 * 86400.0
    dead: Kept = 30 * 86400.0


class RelayFile(Model):
    """`relay.yaml`."""

    listen: str = "127.0.0.1:8080"
    admin: Admin = Admin()
    state: Path = Path("../var")
    store: str = "sqlite:../var/relay.db"
    routes: Path = Path("../routes")
    retention: Retention = Retention()
    limits: Limits = Limits()
    targets: Targets = {}

    _check_listen = field_validator("listen")(_listen)

    @field_validator("store")
    @classmethod
    def _check_store(cls, value: str) -> str:
        if not value.startswith("sqlite:") or value == "sqlite:":
            raise fault(f"{value!r} is not a store", "write sqlite:PATH")
        return value


class TargetsFile(RootModel[dict[Name, AnyTarget]]):
    """A file of targets, named by `targets:`; its keys are the targets' names."""


class VerifyStandard(Model):
    """Standard Webhooks."""

    scheme: Literal["standard-webhooks"]
    secrets: Secrets
    tolerance: Duration = 300.0


class VerifyGithub(Model):
    """GitHub."""

    scheme: Literal["github"]
    secrets: Secrets


class VerifyStripe(Model):
    """Stripe."""

    scheme: Literal["stripe"]
    secrets: Secrets
    tolerance: Duration = 300.0


class VerifySlack(Model):
    """Slack."""

    scheme: Literal["slack"]
    secrets: Secrets
    tolerance: Duration = 300.0


class Timestamp(Model):
    """Where the signed time stands."""

    header: str
    tolerance: Duration = 300.0

    _check = field_validator("header")(_header)


class MessageId(Model):
    """Where the signed id stands."""

    header: str

    _check = field_validator("header")(_header)


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
    secrets: Secrets

    _check = field_validator("header")(_header)


class VerifyToken(Model):
    """A shared token."""

    scheme: Literal["token"]
    header: str = "authorization"
    secrets: Secrets

    _check = field_validator("header")(_header)


class VerifyBasic(Model):
    """HTTP Basic."""

    scheme: Literal["basic"]
    username: str
    secrets: Secrets


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


To = Annotated[Annotated[str, Tag("<target>")] | Annotated[EachFile, Tag("<each>")], Discriminator(_to_kind)]


class ForwardFile(Model):
    """One rule."""

    to: To
    name: str | None = None
    when: str | None = None
    transform: str | None = None
    body: str | None = None
    headers: dict[str, str] = {}

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        return None if value is None else _name(value)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        return _own_headers(value)

    @model_validator(mode="after")
    def _one(self) -> "ForwardFile":
        if self.transform is not None and self.body is not None:
            raise fault("transform and body are both given", "keep one of the two")
        return self


class RouteFile(Model):
    """`route.yaml`."""

    path: str | None = None
    verify: AnyVerify
    event: EventFile = EventFile()
    payload: Payload | None = None
    limits: RouteLimits = RouteLimits()
    retention: Kept | None = None
    respond: Respond = Respond()
    forward: Annotated[list[ForwardFile], Field(min_length=1)]

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", value):
            raise fault(f"{value!r} is not a path", "write /segments of letters, digits, dots and dashes")
        return value
