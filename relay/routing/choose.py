"""Chooses the forwards that take an event, and the targets of each. Pure: no network, no store."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from relay.errors import ExpressionFailed
from relay.event import Event, Owed
from relay.expression.cel import Expression, Scope
from relay.routing.route import Each, Forward

_MOST_ITEMS = 10_000  # of a recipient list: about as many as are named in a tenth of a second
_MOST_CHOICES = 256  # of one route that are remembered


class ForwardOutcome(StrEnum):
    """The decision of a forward about an event; the label `outcome` of `relay_forwards_total`."""

    OWED = "owed"
    SKIPPED = "skipped"
    ERROR = "error"


class Decision(NamedTuple):
    """One forward's decision about an event; `target` is '' where a recipient list names none."""

    forward: str
    target: str
    outcome: ForwardOutcome
    detail: str = ""


class Choice(NamedTuple):
    """The decisions of a route's forwards about one event, and the deliveries that it owes.

    `failures` are the decisions that are errors; `counts` adds all up by target and outcome.
    """

    owed: tuple[Owed, ...]
    decisions: tuple[Decision, ...]
    failures: tuple[Decision, ...]
    counts: tuple[tuple[tuple[str, ForwardOutcome], int], ...]


NOTHING = Choice((), (), (), ())


def choose(
    forwards: Iterable[Forward], event: Event, scope: Scope, targets: Container[str]
) -> Choice:
    """Ask each forward whether it takes the event.

    A `when` that fails is an error of its forward, never a silent no; it hinders no other forward.
    """
    return _choose(forwards, scope.of(event), targets)


class Chooser:
    """Chooses for one route as `choose` does, and remembers its choices.

    This saves making the same records again for each event, and asking anything at all where no
    forward has a condition; tests/integration/deliver/test_costs.py holds it. A choice is
    remembered by the set of forwards that take the event; one with a failure, or by a recipient
    list, has more to say than that and is made anew.
    """

    __slots__ = ("_choices", "_forwards", "_lists", "_unconditional")

    def __init__(self, forwards: Sequence[Forward]) -> None:
        self._forwards = forwards
        self._lists = any(isinstance(forward.to, Each) for forward in forwards)
        self._unconditional: Choice | None = None
        self._choices: dict[int, Choice] = {}
        if not self._lists and all(forward.when is None for forward in forwards):
            self._unconditional = _choose(forwards, Scope({}), ())

    def choose(self, event: Event, scope: Scope, targets: Container[str]) -> Choice:
        """Return the choice of `choose`, the same object for the same one if it is remembered."""
        if self._unconditional is not None:
            return self._unconditional
        scope = scope.of(event)
        if self._lists:
            return _choose(self._forwards, scope, targets)
        takers = 0
        for n, forward in enumerate(self._forwards):
            when = forward.when
            try:
                takes = True if when is None else when.value(scope)
            except ExpressionFailed:
                return _choose(self._forwards, scope, targets)
            if takes is True:
                takers |= 1 << n
            elif takes is not False:
                return _choose(self._forwards, scope, targets)
        choice = self._choices.get(takers)
        if choice is None:
            choice = _choose(self._forwards, scope, targets)
            if len(self._choices) < _MOST_CHOICES:
                self._choices[takers] = choice
        return choice


def _choose(forwards: Iterable[Forward], scope: Scope, targets: Container[str]) -> Choice:
    owed: list[Owed] = []
    decisions: list[Decision] = []
    for forward in forwards:
        label = forward.to if isinstance(forward.to, str) else ""
        try:
            recipients = _recipients(forward, scope, targets)
        except ExpressionFailed as error:
            decisions.append(Decision(forward.name, label, ForwardOutcome.ERROR, str(error)))
            continue
        if not recipients:
            decisions.append(Decision(forward.name, label, ForwardOutcome.SKIPPED))
        for target in recipients:
            owed.append(Owed(forward.name, target, forward.ordered))
            decisions.append(Decision(forward.name, target, ForwardOutcome.OWED))
    failures = [decision for decision in decisions if decision.outcome is ForwardOutcome.ERROR]
    counts = Counter([(decision.target, decision.outcome) for decision in decisions])
    return Choice(tuple(owed), tuple(decisions), tuple(failures), tuple(counts.items()))


def _recipients(forward: Forward, scope: Scope, targets: Container[str]) -> Sequence[str]:
    """Return the targets to which the forward sends the event: none if it does not take it."""
    if forward.when is not None and not _holds(forward.when, scope):
        return ()
    to = forward.to
    return (to,) if isinstance(to, str) else _listed(to, scope, targets)


def _holds(when: Expression, scope: Scope) -> bool:
    value = when.value(scope)
    if not isinstance(value, bool):
        raise ExpressionFailed(f"when: true or false is needed, this is a {type(value).__name__}")
    return value


def _listed(each: Each, scope: Scope, targets: Container[str]) -> Sequence[str]:
    """Return the targets of a recipient list, each once, in the list's order."""
    items = each.items.value(scope)
    if not isinstance(items, list):
        raise ExpressionFailed(f"to.each: a list is needed, this is a {type(items).__name__}")
    if len(items) > _MOST_ITEMS:
        raise ExpressionFailed(f"to.each: {len(items)} items; a list may have {_MOST_ITEMS}")
    names: dict[str, None] = {}
    for item in items:
        name = each.target.text(scope.widened({"item": item}))
        if name not in targets:
            raise ExpressionFailed(f"to.target: there is no target {name!r}")
        names[name] = None
    return list(names)
