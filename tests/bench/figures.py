"""All figures of a run, as one value: medians, spreads, ratios within rounds; to JSON and back."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.rounds import FixedRate, Latency, Round


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran, and how busy it was at the end (load average of a minute)."""

    cpu: str
    cores: int
    kernel: str
    python: str
    load: float


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return that of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Figures:
    """A run: `rounds` by (scenario, system), in the order in which they were played; seconds."""

    machine: Machine
    seconds: float
    took: float
    at: str
    rounds: dict[tuple[str, str], list[Round]]

    def spread(self, scenario: str, system: str, value: Callable[[Round], float]) -> Spread | None:
        """Return one value of a system's rounds; None if it was not measured."""
        rounds = self.rounds.get((scenario, system))
        return None if not rounds else Spread.of([value(one) for one in rounds])

    def ratio(self, one: tuple[str, str], other: tuple[str, str]) -> Spread | None:
        """Return the ratio of two rates, taken round by round, so that a slow minute slows both."""
        rates = {found.number: found.rate for found in self.rounds.get(other, [])}
        ratios = [
            found.rate / rates[found.number]
            for found in self.rounds.get(one, [])
            if found.number in rates
        ]
        return Spread.of(ratios) if ratios else None

    def to_json(self) -> str:
        """Write it all."""
        rounds = [
            {"scenario": scenario, "system": system, "rounds": [asdict(one) for one in found]}
            for (scenario, system), found in self.rounds.items()
        ]
        head = {
            "machine": asdict(self.machine),
            "seconds": self.seconds,
            "took": self.took,
            "at": self.at,
        }
        return json.dumps(head | {"found": rounds}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Figures":
        """Read what `to_json` wrote."""
        told = json.loads(text)
        rounds = {
            (one["scenario"], one["system"]): [_round(found) for found in one["rounds"]]
            for one in told["found"]
        }
        return cls(Machine(**told["machine"]), told["seconds"], told["took"], told["at"], rounds)


def fixed(one: Round, fraction: float) -> FixedRate | None:
    """Return a round's run at a share of its rate."""
    return next((found for found in one.fixed if found.fraction == fraction), None)


def _round(told: dict[str, Any]) -> Round:
    fixed_rates = tuple(
        FixedRate(one["fraction"], one["rate"], Latency(**one["accept"]), _latency(one["delivery"]))
        for one in told["fixed"]
    )
    return Round(**told | {"fixed": fixed_rates, "saturated": _latency(told["saturated"])})


def _latency(told: dict[str, float] | None) -> Latency | None:
    return None if told is None else Latency(**told)
