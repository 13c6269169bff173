"""The refusal of a body that a route does not take: its faults, each with its place in the body."""

from collections.abc import Iterable

from relay.errors import Rejected, RequestReason

MOST_FAULTS = 20  # that an answer lists
Fault = tuple[Iterable[str | int], str]  # keys and indexes down to the place, and the fault


def invalid(faults: Iterable[Fault]) -> Rejected:
    """Return the refusal of a body with these faults; places are written with dots: `items.1`."""
    where = tuple((".".join(map(str, place)), fault) for place, fault in faults)
    return Rejected(RequestReason.INVALID, "the body is not what this route takes", where=where)


def unchecked(fault: str) -> Rejected:
    """Return the refusal of a body whose check itself came to no end, because of `fault`."""
    return Rejected(RequestReason.INVALID, "the body can't be checked", where=(("", fault),))
