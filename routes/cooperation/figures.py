"""The figures of each partner, added up from events so that nothing counts twice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from .fields import Figure
from .findings import FIGURES, Figures
from .payload import (
    AnyEvent,
    ContractSigned,
    ExpertiseTransferred,
    HappeningHeld,
    MemorandumSigned,
    ProductListed,
)
from .places import HUB, Place

_COUNTED: tuple[Figure, ...] = ("enterprises", "delegates", "contracts", "memoranda")


def credited(event: AnyEvent) -> Place | None:
    """Return the partner whose event it is: who tells it, or whom alone the hub tells of; None: the region's."""
    if event.place != HUB:
        return event.place
    return event.partners[0] if len(event.partners) == 1 else None


def added_up(events: Iterable[AnyEvent]) -> Mapping[Place | None, Figures]:
    """Return the figures of each partner that has any; under None are those of the region as a whole.

    What several tell of one happening counts once, by the greatest figure, and for the place whose happening it
    is. A contract that names a happening is one of those that the happening has counted, if it has.
    """
    values: dict[Place | None, dict[Figure, int]] = defaultdict(dict)
    approximate: dict[Place | None, set[Figure]] = defaultdict(set)

    def add(place: Place | None, figure: Figure, count: int) -> None:
        values[place][figure] = values[place].get(figure, 0) + count

    held: dict[str, list[HappeningHeld]] = defaultdict(list)
    signed: dict[tuple[str, Figure], list[tuple[Place | None, int]]] = defaultdict(list)
    for event in events:
        place = credited(event)
        match event:
            case HappeningHeld():
                held[event.happening].append(event)
            case ContractSigned():
                signed[event.happening or "", "contracts"].append((place, event.count))
            case MemorandumSigned():
                signed[event.happening or "", "memoranda"].append((place, event.count))
            case ExpertiseTransferred() if event.processes is not None:
                add(place, "processes", event.processes)
            case ProductListed() if event.products:
                add(place, "products", len(event.products))
            case _:
                pass
    for happening, told in held.items():
        place = _host(told)
        for figure in _COUNTED:
            counts = [count for one in told if (count := getattr(one, figure)) is not None]
            if counts:
                singly = sum(count for _, count in signed.pop((happening, figure), []))
                add(place, figure, max(*counts, singly))
                if any(figure in one.approximate for one in told):
                    approximate[place].add(figure)
    for (_, figure), each in signed.items():
        for place, count in each:
            add(place, figure, count)
    return {
        place: Figures(
            {figure: own[figure] for figure in FIGURES if figure in own}, frozenset(approximate[place])
        )
        for place, own in values.items()
    }


def _host(told: Iterable[HappeningHeld]) -> Place | None:
    """Return whose happening it is: the first partner, by its code, that an event of it is credited to."""
    return min((place for one in told if (place := credited(one)) is not None), default=None)
