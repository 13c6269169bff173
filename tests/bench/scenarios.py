"""The scenarios that are measured, as data.

Each says what an event is, what it owes, and what stands in the way.
"""

from dataclasses import dataclass, replace
from enum import Enum

KIB, MIB = 1 << 10, 1 << 20
HALF = (0.5,)
CURVE = (0.25, 0.5, 0.9)


class Obstacle(Enum):
    """The trouble beside the targets that are up."""

    NONE = "none"
    SLOW = "slow"  # the target takes 50 ms to answer
    DEAD = "dead"  # one more target, owed every event, at which nobody listens
    PENDING = "pending"  # `stored` deliveries for a target at which nobody listens
    STORED = "stored"  # `stored` events that owe nothing
    RESTART = "restart"  # `stored` deliveries for the target, found by a relay that starts


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the table.

    `systems`: what it is measured on, see `systems.py`; `body`: bytes of an event's body; `owes`:
    deliveries of an event to targets that are up; `filtered`: forwards more, whose `when` says no;
    `routes`: how many, each with a target of its own, to which the events go in turn; `burst`:
    events sent at once to find the rate, where accepting outruns delivering by far (0: wrk sends
    for some seconds); `is_github`: a signed push, its model, filters and transform; `file_too`: a
    file gets each event as it came beside; `fractions`: the fixed rates, as shares of the rate
    found.
    """

    name: str
    shows: str
    systems: tuple[str, ...] = ("relay",)
    body: int = KIB
    owes: int = 1
    filtered: int = 0
    routes: int = 1
    burst: int = 0
    obstacle: Obstacle = Obstacle.NONE
    stored: int = 0
    is_github: bool = False
    file_too: bool = False
    fractions: tuple[float, ...] = HALF


SCENARIOS = (
    Scenario(
        "pass-through",
        "1 KiB, token, one target",
        ("forwarder", "relay", "server", "client", "sqlite", "node-red", "arq", "celery"),
        fractions=CURVE,
    ),
    Scenario(
        "github",
        "GitHub push: HMAC, model, three filters, a transform",
        ("forwarder", "relay"),
        is_github=True,
    ),
    Scenario(
        "github-and-file",
        "the shipped GitHub route: as before, and each event to a file beside",
        is_github=True,
        file_too=True,
    ),
    Scenario("fan-out-10", "each event to 10 targets", owes=10, burst=3000),
    Scenario("fan-out-100", "each event to 100 targets", owes=100, burst=300),
    Scenario("body-100B", "bodies of 100 B", ("forwarder", "relay"), body=100),
    Scenario("body-10KiB", "bodies of 10 KiB", ("forwarder", "relay"), body=10 * KIB),
    Scenario("body-1MiB", "bodies of 1 MiB", ("forwarder", "relay"), body=MIB),
    Scenario(
        "slow-target", "the target takes 50 ms", ("forwarder", "relay"), obstacle=Obstacle.SLOW
    ),
    Scenario("dead-target", "a second target is dead", obstacle=Obstacle.DEAD),
    Scenario(
        "pending-million",
        "a million deliveries wait for another target, which is dead",
        ("fresh", "relay"),
        obstacle=Obstacle.PENDING,
        stored=1_000_000,
    ),
    Scenario(
        "stored-million",
        "a million events are stored",
        ("fresh", "relay"),
        obstacle=Obstacle.STORED,
        stored=1_000_000,
    ),
    Scenario("forwards-1000", "a route with 1,000 forwards, of which one matches", filtered=999),
    Scenario("routes-1000", "1,000 routes, each with a target of its own", routes=1000),
    Scenario(
        "restart",
        "started with 20,000 deliveries pending",
        obstacle=Obstacle.RESTART,
        stored=20_000,
    ),
)


def shrunk(scenario: Scenario) -> Scenario:
    """Return the scenario as a short run has it: a twentieth of what is stored, one fixed rate."""
    return replace(scenario, stored=scenario.stored // 20, fractions=HALF)
