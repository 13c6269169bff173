"""Accounts for every number that a sender posted: answered, delivered, lost, doubled, wasted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that a target got: which number, under which id and attempt, when, its answer."""

    number: int
    id: str
    attempt: int
    at: float
    delivered: bool


@dataclass(frozen=True, slots=True)
class Doubled:
    """A number that a target got once more than needed, and what happened between the two."""

    target: str
    number: int
    cause: str


@dataclass(slots=True)
class Ledger:
    """The account of one run; times are on the monotonic clock."""

    seed: int
    posted: set[int] = field(default_factory=set)
    accepted: dict[int, str] = field(default_factory=dict)  # the answered id
    fresh: int = 0
    broken: int = 0
    causes: list[tuple[float, float, str]] = field(
        default_factory=list
    )  # from when to when what was done

    def lost(self, seen: Mapping[str, list[Seen]]) -> list[tuple[str, int]]:
        """Return what was answered 2xx and not delivered: (target, number)."""
        return [
            (target, number)
            for target, requests in seen.items()
            for number in sorted(
                self.accepted.keys() - {one.number for one in requests if one.delivered}
            )
        ]

    def foreign(self, seen: Mapping[str, list[Seen]]) -> list[tuple[str, int]]:
        """Return what was delivered and never posted."""
        return [
            (target, one.number)
            for target, requests in seen.items()
            for one in requests
            if one.number not in self.posted
        ]

    def misnamed(self, seen: Mapping[str, list[Seen]]) -> list[int]:
        """Return the numbers that went out under two ids, or under another than was answered."""
        ids: dict[int, set[str]] = {
            number: {event_id} for number, event_id in self.accepted.items()
        }
        for requests in seen.values():
            for one in requests:
                ids.setdefault(one.number, set()).add(one.id)
        return sorted(number for number, found in ids.items() if len(found) > 1)

    def doubled(self, seen: Mapping[str, list[Seen]]) -> list[Doubled]:
        """Return each surplus delivery with its cause: the faults since the delivery before it."""
        doubled = []
        for target, requests in seen.items():
            before: dict[int, float] = {}
            for one in requests:
                if not one.delivered:
                    continue
                if one.number in before:
                    doubled.append(
                        Doubled(target, one.number, self._cause(before[one.number], one.at))
                    )
                before[one.number] = one.at
        return doubled

    def _cause(self, since: float, until: float) -> str:
        """Return the gravest thing that went on between two times; '' if nothing did."""
        between = {what for began, ended, what in self.causes if began <= until and since <= ended}
        return next((what for what in ("kill", "outage", "freeze") if what in between), "")


def disordered(requests: Iterable[Seen], keys: int) -> list[int]:
    """Return the numbers that were attempted after a younger one of their key (`number % keys`)."""
    newest: dict[int, str] = {}
    wrong = []
    for one in requests:
        key = one.number % keys
        if one.id < newest.get(key, ""):
            wrong.append(one.number)
        newest[key] = max(newest.get(key, ""), one.id)
    return wrong


def wasted(recorded: Mapping[int, int], requests: Iterable[Seen]) -> dict[int, int]:
    """Return how many attempts more the relay recorded than the target saw requests, by number.

    A number with as many of both is left out.
    """
    seen = Counter(request.number for request in requests)
    return {
        number: count - seen[number] for number, count in recorded.items() if count != seen[number]
    }
