"""The contract of every kind of target, and the options that kinds share.

A section of `targets:` goes one way: it is read as its kind's `Options`, which state each default
once; they become `TargetSettings`, references followed and paths absolute; these open a `Target`
for each lane, which makes attempts. A kind is one module of this package with a `KIND`:
`relay.targets.kinds` finds it, and no other module names it. All kinds are imported at the start,
so that a client library of one kind is imported where its target is opened.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field, model_validator

from relay.delivery.breaker import DEFAULT_BREAKER, BreakerPolicy
from relay.delivery.rate import Rate
from relay.delivery.retry import RETRY_AFTER_CAP, RetryPolicy, by_schedule, exponential
from relay.delivery.settle import Attempt
from relay.event import Delivery
from relay.fields.model import Model, Positive
from relay.fields.units import Duration, fault
from relay.http.egress import Egress
from relay.routing.transform import Outgoing

DAY = 86400.0
# Seconds: quick at first, then over two days; a target's `retry` replaces it.
DEFAULT_SCHEDULE = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0)


class Target(Protocol):
    """Makes attempts at one target, for one lane."""

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Try once. A failure is in the attempt, never raised; a cancelled one harms no other."""

    async def close(self) -> None:
        """Wait for writes under way, and let go of connections and files; twice does no harm."""


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How a target's lanes go about it; each has a concurrency, rate and breaker of its own.

    `longest_wait` is in seconds: a delivery that is due later was written by a clock gone wrong.
    """

    target: str
    policy: RetryPolicy
    concurrency: int
    give_up_on: Collection[int] = ()
    breaker: BreakerPolicy = DEFAULT_BREAKER
    rate: Rate | None = None
    partitions: int = 1
    longest_wait: float = RETRY_AFTER_CAP


class TargetSettings(Protocol):
    """A configured target. Two are equal if nothing changed: a reload then keeps connections.

    Its repr shows no option and no secret, since a URL alone may be one.
    """

    @property
    def name(self) -> str:
        """The key of the target's section."""

    @property
    def lane(self) -> LaneOptions:
        """How its lanes go about it."""

    def open(self) -> Target:
        """Return a target that has no connection yet; each lane opens its own."""


class Section(Protocol):
    """The place of a target's section, by which its references are followed and problems noted.

    `path` is that of a key within the section, such as `("auth", "bearer")`.
    """

    @property
    def name(self) -> str:
        """The key of the section."""

    @property
    def egress(self) -> Egress:
        """The addresses that this relay may dial."""

    def secret(self, path: Sequence[str | int], reference: str) -> bytes:
        """Follow a reference; note a problem if it can't be, and b'' stands for it."""

    def problem(self, path: Sequence[str | int], message: str, remedy: str) -> None:
        """Note a problem at `path`, and its remedy."""

    def file(self, key: str, path: Path, *, alone: str = "") -> Path:
        """Return the file that this target writes as an absolute path.

        `alone` says why no other target may write it ('': any may); a problem is noted if one does.
        """


class Options(Model):
    """The section of one kind of target; the base of each kind's own."""

    def settings(self, section: Section) -> TargetSettings:
        """Return the settings that these options become; problems are noted in the section."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of target: the key by which a section is known to be of it, and its options."""

    key: str
    options: type[Options] = field(repr=False)


class Exponential(Model):
    """Waits that grow by a factor."""

    initial: Positive = Field(default=5.0, description="The first wait.")
    factor: float = Field(default=3.0, ge=1, le=100, description="By what each next wait grows.")
    max: Positive = Field(default=10 * 3600.0, description="The longest wait.")
    attempts: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="How many attempts a delivery has, the first one included.",
    )


class Retry(Model):
    """When a failed delivery is tried again; the default goes on for two days."""

    schedule: Annotated[list[Duration], Field(max_length=1000)] | None = Field(
        default=None,
        description="The waits before each further attempt; by default nine, from 5s to 20h.",
    )
    exponential: Exponential | None = Field(
        default=None, description="Waits that grow by a factor, instead of a schedule."
    )
    jitter: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="A wait is stretched or shrunk by at most this share of it.",
    )
    max_age: Positive = Field(
        default=3 * DAY,
        description="A delivery that has waited longer is dead, whatever its attempts.",
    )

    @model_validator(mode="after")
    def _check_one_way(self) -> "Retry":
        if self.schedule is not None and self.exponential is not None:
            raise fault("schedule and exponential are both given", "keep one of the two")
        return self

    @property
    def waits(self) -> tuple[float, ...]:
        """The schedule that holds, in seconds."""
        return DEFAULT_SCHEDULE if self.schedule is None else tuple(self.schedule)

    @property
    def policy(self) -> RetryPolicy:
        """The policy that decides when a delivery is tried again."""
        if (grow := self.exponential) is None:
            return by_schedule(self.waits, self.jitter, self.max_age)
        return exponential(
            grow.initial, grow.factor, grow.max, grow.attempts, self.jitter, self.max_age
        )

    @property
    def longest_wait(self) -> float:
        """Seconds: the longest wait that may follow from this, or from a target's Retry-After."""
        longest = max(self.waits, default=0.0) if self.exponential is None else self.exponential.max
        return max(longest * (1 + self.jitter), RETRY_AFTER_CAP)


class Breaker(Model):
    """When a failing target is left alone for a while."""

    failures: int = Field(
        default=DEFAULT_BREAKER.failures,
        ge=1,
        description="How many failures in a row open the breaker.",
    )
    cool_off: Positive = Field(
        default=DEFAULT_BREAKER.cool_off,
        description="How long the target is then left alone, at first.",
    )
    max_cool_off: Positive = Field(
        default=DEFAULT_BREAKER.max_cool_off,
        description="How long at most: each probe that fails doubles the time.",
    )

    @property
    def policy(self) -> BreakerPolicy:
        """The policy that opens and closes a lane's breaker."""
        return BreakerPolicy(self.failures, self.cool_off, self.max_cool_off)


# Options that several kinds have. A default is constructed, not validated: see `Model`.
RetryOption = Annotated[Retry, Field(description="When a failed delivery is tried again.")]
DEFAULT_RETRY = Retry.model_construct()
