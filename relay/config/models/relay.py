"""What may stand in `relay.yaml`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, RootModel, Tag, field_validator

from relay.fields.model import Model, Name, Positive, listen_address
from relay.fields.units import Duration, Kept, Range, Size, fault
from relay.targets.kinds import AnyOptions


class Admin(Model):
    """The listener for metrics, health, API and console."""

    listen: str = "127.0.0.1:8081"
    token: str | None = None

    _check = field_validator("listen")(listen_address)


class Limits(Model):
    """What the relay takes on at most."""

    waiting: int = Field(default=10_000, ge=1, description="commits that wait, before 503")
    pending: int = Field(
        default=10_000_000, ge=1, description="deliveries that have not ended, before 503"
    )
    disk: Size = 128 << 20
    requests: int = Field(default=2000, ge=1, description="open at a time, before 503")
    memory: Size = 64 << 20
    body_timeout: Positive = 30.0
    shutdown: Duration = 20.0


class EgressFile(Model):
    """Public addresses may be dialled; more are allowed, and others denied whatever is allowed."""

    allow: list[Range] = Field(default=[])
    deny: list[Range] = Field(default=[])


def _egress_kind(value: Any) -> str:
    return "<ranges>" if isinstance(value, dict | EgressFile) else "<word>"


AnyEgress = Annotated[
    Annotated[Literal["any", "public"], Tag("<word>")] | Annotated[EgressFile, Tag("<ranges>")],
    Discriminator(_egress_kind),
]


class Retention(Model):
    """How long events and dead letters are kept."""

    events: Kept = 7 * 86400.0
    dead: Kept = 30 * 86400.0


def _targets_kind(value: Any) -> str:
    return "<path>" if isinstance(value, str | Path) else "<targets>"


Targets = Annotated[
    Annotated[dict[Name, AnyOptions], Tag("<targets>")] | Annotated[Path, Tag("<path>")],
    Discriminator(_targets_kind),
]


class TargetsFile(RootModel[dict[Name, AnyOptions]]):
    """A file of targets, named by `targets:`; its keys are the targets' names."""

    model_config = ConfigDict(defer_build=True)


class RelayFile(Model):
    """`relay.yaml`."""

    listen: str = "127.0.0.1:8080"
    admin: Admin = Admin.model_construct()
    state: Path = Path("../var")
    store: str = "sqlite:../var/relay.db"
    routes: Path = Path("../routes")
    retention: Retention = Retention.model_construct()
    limits: Limits = Limits.model_construct()
    egress: AnyEgress = "any"
    targets: Targets = Field(default={})

    _check_listen = field_validator("listen")(listen_address)

    @field_validator("store")
    @classmethod
    def _check_store(cls, value: str) -> str:
        if not value.startswith("sqlite:") or value == "sqlite:":
            raise fault(f"{value!r} is not a store", "write sqlite:PATH")
        return value
