"""Records of a route: an incoming URL, and the rules for all that arrives on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from relay.delivery.rate import Rate
from relay.event import Event
from relay.expression.cel import Expression
from relay.routing.measure import Measure
from relay.verify import Scheme


class Validator(Protocol):
    """Checks a decoded body and returns the value that transforms see as `event.body`."""

    def validate(self, raw: bytes, value: Any) -> Any:
        """Return the body, from its bytes without content-encoding or from its JSON value.

        Raises Rejected (invalid) with the places that are wrong.
        """


@dataclass(frozen=True, slots=True)
class Each:
    """A recipient list: one delivery for each of `items`, to the target that `target` names."""

    items: Expression
    target: Expression


@dataclass(frozen=True, slots=True)
class Forward:
    """One rule of a route: which events go to which target, and how.

    Without `when` it takes every event; without `transform` and `body` the bytes go out as they
    came. `ordered` deliveries go out one at a time for each key, in the order of acceptance.
    """

    name: str
    to: str | Each
    ordered: bool = False
    when: Expression | None = None
    transform: Callable[[Event], Any] | None = None
    body: Expression | None = None
    headers: tuple[tuple[str, Expression], ...] = ()

    @property
    def uses_body(self) -> bool:
        """Whether an expression of the forward reads the body; its transform is another matter."""
        recipients = (self.to.items, self.to.target) if isinstance(self.to, Each) else ()
        return _any_uses_body(self.when, self.body, *recipients, *dict(self.headers).values())


@dataclass(frozen=True)
class Route:
    """An incoming URL and all that happens to what arrives on it, compiled.

    `schemes` has a scheme for each sender; a route without named senders has one under ''.
    `by_default` names those of `id`, `type` and `key` that the scheme chose and not the route's
    author: the body need not have them. `dedupe`, `time_limit` (for the route's own code) and
    `retention` (None: the relay's own) are in seconds, `body_limit` in bytes.

    It has no slots: the cached properties are derived from the fields once, and asked every event.
    """

    name: str
    path: str
    schemes: Mapping[str, Scheme]
    forwards: tuple[Forward, ...]
    id: Expression | None = None
    type: Expression | None = None
    key: Expression | None = None
    by_default: frozenset[str] = frozenset()
    dedupe: float = 0.0
    validator: Validator | None = None
    authorize: Expression | None = None
    quarantines: bool = False
    body_limit: int = 1 << 20
    rate: Rate | None = None
    status: int = 202
    time_limit: float = 1.0
    retention: float | None = None
    measures: tuple[Measure, ...] = ()

    @property
    def paths(self) -> dict[str, str]:
        """Each incoming path with its sender: the route's own, or one under it for each sender."""
        return {f"{self.path}/{sender}" if sender else self.path: sender for sender in self.schemes}

    @cached_property
    def transforming(self) -> frozenset[str]:
        """The names of the forwards that have a transform, whose deliveries may go out at once."""
        return frozenset(
            forward.name
            for forward in self.forwards
            if forward.transform is not None and not forward.ordered
        )

    @cached_property
    def by_name(self) -> Mapping[str, Forward]:
        """The forwards by their names."""
        return {forward.name: forward for forward in self.forwards}

    @cached_property
    def reads_json(self) -> bool:
        """Whether a body that is not JSON is malformed: the author's own rules need its value."""
        facts = {"id": self.id, "type": self.type, "key": self.key}
        own = (fact for name, fact in facts.items() if name not in self.by_default)
        return (
            self.validator is not None
            or _any_uses_body(self.authorize, *own)
            or any(forward.uses_body for forward in self.forwards)
        )

    @cached_property
    def tries_json(self) -> bool:
        """Whether a body is decoded if it can be: its value is used, if there is one."""
        return (
            self.reads_json
            or _any_uses_body(self.id, self.type, self.key)
            or any(forward.transform is not None for forward in self.forwards)
            or any(measure.uses_body for measure in self.measures)
        )


def describe(route: Route) -> dict[str, Any]:
    """Describe a route for `relay routes` and the console, as JSON values."""
    return {
        "route": route.name,
        "paths": list(route.paths),
        "senders": [sender for sender in route.schemes if sender],
        "scheme": next(iter(route.schemes.values())).name,
        "forwards": [_describe_forward(forward) for forward in route.forwards],
    }


def _describe_forward(forward: Forward) -> dict[str, Any]:
    to = f"each {forward.to.items.source}" if isinstance(forward.to, Each) else forward.to
    return {
        "name": forward.name,
        "to": to,
        "when": forward.when.source if forward.when else "",
        "ordered": forward.ordered,
    }


def _any_uses_body(*expressions: Expression | None) -> bool:
    return any(expression is not None and expression.uses_body for expression in expressions)
