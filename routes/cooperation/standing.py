"""Which of the events stand: one of each that came twice, and corrections for the corrected.

Nothing here looks at the order in which events came, nor at how often.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .payload import AnyEvent
from .places import Programme


class Standing(NamedTuple):
    """The events that stand, out of so many `distinct` ones, `corrections` among them.

    `earlier` names for each the ids under which it was told, its own included. `duplicates` are
    events that came again, `conflicting` ids that came with different contents.
    """

    events: tuple[AnyEvent, ...]
    earlier: Mapping[str, frozenset[str]]
    distinct: int
    corrections: int
    duplicates: int
    conflicting: tuple[str, ...]


def settled(events: Iterable[AnyEvent], programme: Programme) -> Standing:
    """Return the events of a programme that stand, in the order of their ids."""
    contents: dict[str, set[str]] = defaultdict(set)
    by_content: dict[tuple[str, str], AnyEvent] = {}
    came: dict[str, int] = defaultdict(int)
    for event in events:
        content = event.model_dump_json()
        contents[event.id].add(content)
        by_content[event.id, content] = event
        came[event.id] += 1
    # The relay takes an id once. Should an export hold two contents of it all the same, one is
    # chosen by content.
    distinct = {name: by_content[name, min(found)] for name, found in contents.items()}
    chains = _chains(distinct)
    own = {name for name, event in distinct.items() if event.programme == programme}
    return Standing(
        events=tuple(distinct[name] for name in sorted(chains) if name in own),
        earlier=chains,
        distinct=len(own),
        corrections=sum(distinct[name].corrects is not None for name in own),
        duplicates=sum(came[name] - 1 for name in own),
        conflicting=tuple(sorted(name for name in own if len(contents[name]) > 1)),
    )


def _chains(events: Mapping[str, AnyEvent]) -> dict[str, frozenset[str]]:
    """Return the id of each event that stands with all ids that it replaces, its own included.

    Of events that correct each other the last of the chain stands; of several last ones, the one
    with the greatest id.
    """
    chains: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in events:
        root, depth = _root(name, events)
        chains[root].append((depth, name))
    return {
        max(chain)[1]: frozenset({root, *(name for _, name in chain)})
        for root, chain in chains.items()
    }


def _root(name: str, events: Mapping[str, AnyEvent]) -> tuple[str, int]:
    """Return the id that a chain of corrections began with, and how far `name` is from it.

    The event of that id may not be there. A chain that bites its own tail began with the least of
    its ids.
    """
    way = [name]
    while (event := events.get(way[-1])) is not None and event.corrects is not None:
        if event.corrects in way:
            return min(way[way.index(event.corrects) :]), 0
        way.append(event.corrects)
    return way[-1], len(way) - 1
