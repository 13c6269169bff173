"""The parts of a review: values only, and the JSON that programs read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from .fields import Figure
from .payload import AgreementSigned, AnyEvent, HappeningHeld, PlanShared, PolicyShared
from .places import Department, Place, Programme

FIGURES: tuple[Figure, ...] = (
    "enterprises",
    "delegates",
    "contracts",
    "memoranda",
    "processes",
    "products",
)
SCOPES = ("regional", "bilateral")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items were carried out of those planned."""

    planned: int = 0
    carried_out: int = 0


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One item: its `state` is the last word of an event's type; `told` is when that was.

    A `told` of '' is not known.
    """

    item: str
    scope: str
    title: str
    partners: tuple[Place, ...]
    field: Department | None
    state: str
    told: str
    said: str


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One obstacle that is open; `age` and `overdue` in days, None if not known or not yet due."""

    obstacle: str
    title: str
    place: Place
    raised: str
    due: date | None
    age: int | None
    overdue: int | None
    taken_up: bool


@dataclass(frozen=True, slots=True)
class Project:
    """One project and its state, the last word of its latest event's type."""

    project: str
    title: str
    place: Place
    state: str
    told: str


@dataclass(frozen=True, slots=True)
class Account:
    """A text that a place has told, and in which event."""

    place: Place | None
    event: AnyEvent
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one partner, or of the region as a whole.

    The figures that `approximate` names are about right.
    """

    values: Mapping[Figure, int]
    approximate: frozenset[Figure]


@dataclass(frozen=True, slots=True)
class Source:
    """The counts of the events that a review was computed from.

    `events` are distinct ones, of which so many are `corrections`; `undated` ones count all the
    same. `outside` lie outside of the period. `unplanned` items were told of, but nobody planned
    them.
    """

    events: int
    corrections: int
    duplicates: int
    undated: int
    outside: int
    conflicting: tuple[str, ...]
    unplanned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """The state of a programme in a period, as of a day."""

    programme: Programme
    first: date
    last: date
    as_of: date
    tallies: Mapping[str, Tally]
    items: tuple[ItemLine, ...]
    figures: Mapping[Place, Figures]
    regional: Figures
    agreements: tuple[AgreementSigned, ...]
    obstacles: tuple[Obstacle, ...]
    resolved: int
    projects: tuple[Project, ...]
    happenings: tuple[HappeningHeld, ...]
    accounts: tuple[Account, ...]
    shared: tuple[PlanShared | PolicyShared, ...]
    unanswered: tuple[tuple[AnyEvent, tuple[Place, ...]], ...]
    source: Source

    @property
    def states(self) -> dict[str, int]:
        """How many projects there are in each state."""
        found: dict[str, int] = {}
        for project in self.projects:
            found[project.state] = found.get(project.state, 0) + 1
        return dict(sorted(found.items()))

    def as_json(self) -> dict[str, Any]:
        """Return the review as JSON values.

        A value that no event gave is absent, a date that is not known is null.
        """
        return {
            "programme": self.programme.value,
            "period": {"first": self.first.isoformat(), "last": self.last.isoformat()},
            "as_of": self.as_of.isoformat(),
            "items": {
                scope: {"planned": tally.planned, "carried_out": tally.carried_out}
                for scope, tally in self.tallies.items()
            },
            "places": {
                place.value: dict(figures.values) for place, figures in self.figures.items()
            },
            "regional": dict(self.regional.values),
            "approximate": {
                place.value: sorted(figures.approximate)
                for place, figures in self.figures.items()
                if figures.approximate
            },
            "agreements": [
                {
                    "signed_on": one.happened.text if one.happened else None,
                    "partners": [place.value for place in one.partners],
                }
                for one in self.agreements
            ],
            "obstacles": {"open": len(self.obstacles), "resolved": self.resolved},
            "open_obstacles": [
                {
                    "obstacle": one.obstacle,
                    "title": one.title,
                    "place": one.place.value,
                    "raised": one.raised or None,
                    "due": one.due.isoformat() if one.due else None,
                    "age_days": one.age,
                    "overdue_days": one.overdue,
                    "taken_up": one.taken_up,
                }
                for one in self.obstacles
            ],
            "projects": self.states,
            "item_states": {
                line.item: {"scope": line.scope, "state": line.state, "title": line.title or None}
                for line in self.items
            },
            "unanswered": [
                {"event": event.id, "type": event.type, "places": [place.value for place in places]}
                for event, places in self.unanswered
            ],
            "computed_from": {
                "events": self.source.events,
                "corrections": self.source.corrections,
                "duplicates": self.source.duplicates,
                "undated": self.source.undated,
                "outside_the_period": self.source.outside,
                "conflicting": list(self.source.conflicting),
                "unplanned_items": list(self.source.unplanned),
            },
        }
