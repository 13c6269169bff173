"""The keys of `relay.yaml`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, RootModel, Tag, field_validator

from relay.fields.model import Model, Name, Positive, listen_address
from relay.fields.units import Duration, Kept, Range, Size, fault
from relay.targets.kinds import AnyOptions


class Admin(Model):
    """The listener for metrics, health, API and console."""

    listen: str = Field(
        default="127.0.0.1:8081",
        description="HOST:PORT to listen on, apart from the public listener.",
    )
    token: str | None = Field(
        default=None,
        description="Secret that requests must carry as a Bearer token; needed unless on loopback.",
    )

    _check = field_validator("listen")(listen_address)


class Limits(Model):
    """The relay's limits."""

    waiting: int = Field(
        default=10_000, ge=1, description="Commits that wait to be written; 503 beyond it."
    )
    pending: int = Field(
        default=10_000_000, ge=1, description="Deliveries that have not ended; 503 beyond it."
    )
    disk: Size = Field(
        default=128 << 20, description="Space left free where the store is; 503 below it."
    )
    requests: int = Field(default=2000, ge=1, description="Requests open at a time; 503 beyond it.")
    memory: Size = Field(
        default=64 << 20,
        description="Memory for the deliveries of all lanes; the others wait in the store.",
    )
    body_timeout: Positive = Field(
        default=30.0, description="Time for a request's body to arrive; 408 beyond it."
    )
    shutdown: Duration = Field(
        default=20.0, description="Time for requests and attempts in flight when the relay stops."
    )


class EgressFile(Model):
    """Public addresses may be dialled; more are allowed, and others denied whatever is allowed."""

    allow: list[Range] = Field(
        default=[], description="Ranges that may be dialled although they are not public."
    )
    deny: list[Range] = Field(
        default=[], description="Ranges that are never dialled, whatever is allowed."
    )


def _egress_kind(value: Any) -> str:
    return "<ranges>" if isinstance(value, dict | EgressFile) else "<word>"


AnyEgress = Annotated[
    Annotated[Literal["any", "public"], Tag("<word>")] | Annotated[EgressFile, Tag("<ranges>")],
    Discriminator(_egress_kind),
]


class Retention(Model):
    """How long events and dead letters are kept."""

    events: Kept = Field(
        default=7 * 86400.0,
        description="Time that an event is kept; one with a pending delivery stays longer.",
    )
    dead: Kept = Field(
        default=30 * 86400.0, description="Time that an event with a dead letter is kept."
    )


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

    listen: str = Field(
        default="127.0.0.1:8080",
        description="HOST:PORT for incoming webhooks; the only public listener.",
    )
    admin: Admin = Field(
        default=Admin.model_construct(),
        description="Listener for metrics, health, API and console.",
    )
    state: Path = Field(default=Path("../var"), description="Folder for managed secrets.")
    store: str = Field(
        default="sqlite:../var/relay.db",
        description="Where events and deliveries are kept: sqlite:PATH.",
    )
    routes: Path = Field(default=Path("../routes"), description="Folder of route folders.")
    retention: Retention = Field(
        default=Retention.model_construct(),
        description="Time that events and dead letters are kept.",
    )
    limits: Limits = Field(
        default=Limits.model_construct(), description="Bounds on what the relay takes on."
    )
    egress: AnyEgress = Field(
        default="any",
        description="Addresses that may be dialled: any, public, or public with exceptions.",
    )
    targets: Targets = Field(
        default={}, description="Where deliveries go, by name; or the path of a file of them."
    )

    _check_listen = field_validator("listen")(listen_address)

    @field_validator("store")
    @classmethod
    def _check_store(cls, value: str) -> str:
        if not value.startswith("sqlite:") or value == "sqlite:":
            raise fault(f"{value!r} is not a store", "write sqlite:PATH")
        return value
