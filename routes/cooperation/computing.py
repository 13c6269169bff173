"""The review of a programme and period, computed from events: a pure function of the set of them.

What is in progress (items, obstacles, projects) is taken as it stood at the end of the period,
whenever it began; what happened once counts if it may have happened in the period. An event without
a date counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar

from .figures import added_up, credited
from .findings import SCOPES, Account, Figures, ItemLine, Obstacle, Project, Review, Source, Tally
from .payload import (
    AgreementSigned,
    AnyEvent,
    EventAcknowledged,
    ExpertiseTransferred,
    HappeningHeld,
    ItemCarriedOut,
    ItemEnded,
    ItemPaused,
    ItemPlanned,
    ItemReported,
    ItemStarted,
    ObstacleRaised,
    ObstacleResolved,
    ObstacleTakenUp,
    PlanShared,
    PolicyShared,
    ProductListed,
    ProjectAnnounced,
    ProjectInvested,
    ProjectPaused,
    ProjectTerminated,
)
from .places import HUB, PROGRAMMES, Place, Programme
from .standing import Standing, settled

_E = TypeVar("_E", bound=AnyEvent)
_InProgress = (
    ItemPlanned | ItemStarted | ItemReported | ItemCarriedOut | ItemPaused | ItemEnded
    | ObstacleRaised | ObstacleTakenUp | ObstacleResolved
    | ProjectAnnounced | ProjectInvested | ProjectPaused | ProjectTerminated
)  # fmt: skip
# Of events about one thing that are told of the same time, the one further down is the later.
_COURSE = (
    "item.planned", "item.started", "item.paused", "item.ended", "item.carried_out",
    "project.announced", "project.invested", "project.paused", "project.terminated",
)  # fmt: skip
ASKING = (
    "obstacle.raised", "project.announced", "happening.announced", "product.listed",
    "expertise.transferred", "policy.shared", "plan.shared",
)  # fmt: skip
"""The types that ask their receivers to do something.

Without an acknowledgement, nothing shows that they did.
"""


def compute(
    events: Iterable[AnyEvent], programme: Programme, first: date, last: date, as_of: date
) -> Review:
    """Return the review of the days `first` to `last`, both included, with ages as of `as_of`."""
    standing = settled(events, programme)
    seen = [
        event for event in standing.events if not (event.happened and event.happened.first > last)
    ]
    now = [
        event
        for event in seen
        if isinstance(event, _InProgress) or event.happened is None or event.happened.last >= first
    ]
    lines = _items(now, first, last)
    raised, resolved = _obstacles(now, first, as_of)
    figures = added_up(now)
    none = Figures({}, frozenset())
    accounts = _accounts(
        [event for event in now if event.happened is None or event.happened.last >= first]
    )
    return Review(
        programme=programme,
        first=first,
        last=last,
        as_of=as_of,
        tallies={
            scope: Tally(
                sum(line.scope == scope for line in lines),
                sum(line.scope == scope and line.state == "carried_out" for line in lines),
            )
            for scope in SCOPES
        },
        items=lines,
        figures={place: figures.get(place, none) for place in PROGRAMMES[programme].partners},
        regional=figures.get(None, none),
        agreements=tuple(sorted(_of(now, AgreementSigned), key=_when)),
        obstacles=raised,
        resolved=resolved,
        projects=_projects(now),
        happenings=tuple(_one_each(_of(now, HappeningHeld))),
        accounts=accounts,
        shared=tuple(sorted([*_of(now, PlanShared), *_of(now, PolicyShared)], key=_when)),
        unanswered=_unanswered(now, seen, standing.earlier),
        source=_source(standing, now),
    )


def _of(events: Sequence[AnyEvent], kind: type[_E]) -> list[_E]:
    return [event for event in events if isinstance(event, kind)]


def _when(event: AnyEvent) -> tuple[object, ...]:
    """Put events in the order in which they happened; those without a date come first."""
    course = _COURSE.index(event.type) if event.type in _COURSE else -1
    if event.happened is None:
        return (0, date.min, date.min, "", course, event.id)
    return (1, *event.happened.sorts, course, event.id)


def _by_subject(events: Sequence[_E]) -> dict[str, list[_E]]:
    """Group events by the thing that they are about, each group in order."""
    groups: dict[str, list[_E]] = defaultdict(list)
    for event in sorted(events, key=_when):
        groups[event.subject].append(event)
    return dict(sorted(groups.items()))


def _told(event: AnyEvent) -> str:
    return event.happened.text if event.happened else ""


def _items(events: Sequence[AnyEvent], first: date, last: date) -> tuple[ItemLine, ...]:
    """Return the items planned for the period, regional ones first."""
    about = [event for event in events if event.thing == "item" and getattr(event, "item", None)]
    lines = []
    for item, group in _by_subject(about).items():
        planned = _of(group, ItemPlanned)
        if not planned:
            continue
        plan = planned[-1]
        if plan.period is not None and not plan.period.touches(first, last):
            continue
        course = [event for event in group if event.type in _COURSE]
        # What has been carried out or has ended stays so, whatever is told late of how it went
        # before.
        ends: list[ItemCarriedOut] | list[ItemEnded] = _of(course, ItemCarriedOut) or _of(
            course, ItemEnded
        )
        latest = ends[-1] if ends else course[-1]
        said = [text for event in group if (text := _words(event))]
        lines.append(
            ItemLine(
                item=item,
                scope=plan.scope,
                title=plan.title or "",
                partners=tuple(place for place in (plan.place, *plan.partners) if place != HUB),
                field=plan.field,
                state=latest.type.removeprefix("item."),
                told=_told(latest),
                said=said[-1] if said else "",
            )
        )
    return tuple(sorted(lines, key=lambda line: (SCOPES.index(line.scope), line.item)))


def _words(event: AnyEvent) -> str:
    return getattr(event, "results", None) or getattr(event, "reason", None) or ""


def _obstacles(
    events: Sequence[AnyEvent], first: date, as_of: date
) -> tuple[tuple[Obstacle, ...], int]:
    """Return the open obstacles, the oldest first, and how many were resolved in the period."""
    found, resolved = [], 0
    for obstacle, group in _by_subject(
        [event for event in events if event.thing == "obstacle"]
    ).items():
        if ends := _of(group, ObstacleResolved):
            resolved += any(end.happened is None or end.happened.last >= first for end in ends)
            continue
        raised = _of(group, ObstacleRaised)
        taken_up = _of(group, ObstacleTakenUp)
        told = raised[0] if raised else taken_up[0]
        days = [one.due for one in raised] + [one.due for one in taken_up if one.due is not None]
        due = days[-1] if days else None
        found.append(
            Obstacle(
                obstacle=obstacle,
                title=raised[-1].title if raised else "",
                place=told.place,
                raised=_told(told) if raised else "",
                due=due,
                age=max((as_of - told.happened.first).days, 0)
                if raised and told.happened
                else None,
                overdue=(as_of - due).days if due and as_of > due else None,
                taken_up=bool(taken_up),
            )
        )
    return tuple(sorted(found, key=lambda one: (-(one.age or 0), one.obstacle))), resolved


def _projects(events: Sequence[AnyEvent]) -> tuple[Project, ...]:
    found = []
    for project, group in _by_subject(
        [event for event in events if event.thing == "project"]
    ).items():
        announced = _of(group, ProjectAnnounced)
        ends = _of(group, ProjectTerminated)
        latest = ends[-1] if ends else group[-1]
        found.append(
            Project(
                project=project,
                title=announced[-1].title if announced else "",
                place=Place(project.partition("/")[0]),
                state=latest.type.removeprefix("project."),
                told=_told(latest),
            )
        )
    return tuple(found)


def _one_each(happenings: Sequence[HappeningHeld]) -> list[HappeningHeld]:
    """Of several places that tell of one happening, the last counts in lists."""
    return sorted((group[-1] for group in _by_subject(happenings).values()), key=_when)


def _accounts(events: Sequence[AnyEvent]) -> tuple[Account, ...]:
    """Return what was told in words, of partners in the programme's order, then of the region."""
    found = []
    for event in sorted(events, key=_when):
        match event:
            case ItemReported():
                found.append(Account(credited(event), event, "", event.results))
            case HappeningHeld() if credited(event) is None and not event.results:
                pass  # it stands among the happenings, and there is no more to tell
            case HappeningHeld() | ExpertiseTransferred():
                found.append(Account(credited(event), event, event.title, event.results or ""))
            case ProductListed():
                found.append(
                    Account(credited(event), event, event.channel_name or "", _listed(event))
                )
    return tuple(found)


def _listed(event: ProductListed) -> str:
    return event.results or ", ".join(product.name for product in event.products)


def _unanswered(
    now: Sequence[AnyEvent], seen: Sequence[AnyEvent], earlier: Mapping[str, frozenset[str]]
) -> tuple[tuple[AnyEvent, tuple[Place, ...]], ...]:
    """Return each event that asks something of places that have not told what they did with it."""
    answered: dict[str, set[Place]] = defaultdict(set)
    for one in _of(seen, EventAcknowledged):
        answered[one.event].add(one.place)
    waiting = []
    for event in sorted(now, key=_when):
        if event.type in ASKING:
            # Who acknowledged what was corrected since, has answered.
            known = set[Place]().union(*(answered[name] for name in earlier[event.id]))
            silent = tuple(place for place in event.partners if place not in known)
            if silent:
                waiting.append((event, silent))
    return tuple(waiting)


def _source(standing: Standing, now: Sequence[AnyEvent]) -> Source:
    planned = {event.subject for event in _of(now, ItemPlanned)}
    told = {event.subject for event in now if event.thing == "item" and event.subject != event.id}
    return Source(
        events=standing.distinct,
        corrections=standing.corrections,
        duplicates=standing.duplicates,
        undated=sum(event.happened is None for event in now),
        outside=len(standing.events) - len(now),
        conflicting=standing.conflicting,
        unplanned=tuple(sorted(told - planned)),
    )
