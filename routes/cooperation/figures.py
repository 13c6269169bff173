"""The figures of each partner, added up from events so that nothing counts twice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

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
    """Return the partner whose event it is: who tells it, or whom alone the hub tells of.

    None is the region.
    """
    if event.place != HUB:
        return event.place
    return event.partners[0] if len(event.partners) == 1 else None


class _Sums:
    """Adds up, for each place."""

    def __init__(self) -> None:
        self._values: dict[Place | None, dict[Figure, int]] = defaultdict(dict)
        self._approximate: dict[Place | None, set[Figure]] = defaultdict(set)

    def add(
        self, place: Place | None, figure: Figure, count: int, *, approximate: bool = False
    ) -> None:
        """Add a count; a sum is approximate if a part of it is."""
        own = self._values[place]
        own[figure] = own.get(figure, 0) + count
        if approximate:
            self._approximate[place].add(figure)

    def figures(self) -> dict[Place | None, Figures]:
        """Return the sums, in the order in which figures are shown."""
        return {
            place: Figures(
                {figure: own[figure] for figure in FIGURES if figure in own},
                frozenset(self._approximate[place]),
            )
            for place, own in self._values.items()
        }


def added_up(events: Sequence[AnyEvent]) -> Mapping[Place | None, Figures]:
    """Return the figures of each partner that has any; under None those of the whole region.

    A happening that several tell of counts once, by the greatest figure, and for the place whose
    happening it is. A contract that names a happening is one of those that the happening has
    counted, if it has.
    """
    sums = _Sums()
    held: dict[str, list[HappeningHeld]] = defaultdict(list)
    for event in events:
        match event:
            case HappeningHeld():
                held[event.happening].append(event)
            case ExpertiseTransferred() if event.processes is not None:
                sums.add(credited(event), "processes", event.processes)
            case ProductListed() if event.products:
                sums.add(credited(event), "products", len(event.products))
            case _:
                pass
    signed = _signed(events)
    for happening, told in held.items():
        for figure in _COUNTED:
            counts = [count for one in told if (count := getattr(one, figure)) is not None]
            if counts:
                singly = sum(count for _, count in signed.pop((happening, figure), []))
                about = any(figure in one.approximate for one in told)
                sums.add(_host(told), figure, max(*counts, singly), approximate=about)
    for (_, figure), each in signed.items():
        for place, count in each:
            sums.add(place, figure, count)
    return sums.figures()


def _signed(events: Sequence[AnyEvent]) -> dict[tuple[str, Figure], list[tuple[Place | None, int]]]:
    """Return what was signed, by the happening ('' is none) at which it was."""
    signed: dict[tuple[str, Figure], list[tuple[Place | None, int]]] = defaultdict(list)
    for event in events:
        if isinstance(event, ContractSigned | MemorandumSigned):
            figure: Figure = "contracts" if isinstance(event, ContractSigned) else "memoranda"
            signed[event.happening or "", figure].append((credited(event), event.count))
    return signed


def _host(told: Iterable[HappeningHeld]) -> Place | None:
    """Return the first partner, by its code, that an event of the happening is credited to."""
    return min((place for one in told if (place := credited(one)) is not None), default=None)
