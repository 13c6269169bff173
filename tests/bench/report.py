"""Figures as tables, for the terminal and for docs/performance.md, and the bars that they reach.

python -m tests.bench.report FIGURES.json          # prints the tables
python -m tests.bench.report FIGURES.json DOC.md   # writes them between the marks in the document
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figures, Spread, fixed
from tests.bench.rounds import Latency, Round
from tests.bench.scenarios import SCENARIOS
from tests.bench.systems import SYSTEMS

BEGIN = "<!-- figures: written by `python -m tests.bench.report`, not by hand -->"
END = "<!-- end of figures -->"
_FORWARDER = ("pass-through", "forwarder")
_HALF = 0.5
HEAD = (
    "scenario", "system", "events/s", "least to most", "of forwarder",
    "accept ms p50 / p99 / p99.9",
    "delivery ms p50 / p99 / p99.9", "CPU µs/event", "RSS MiB", "syncs/event", "KiB written/event",
    "start s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """A claim, what was found, and whether it holds; None if it was not measured."""

    claim: str
    found: str
    holds: bool


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Return a row for each scenario and system, in the order of `HEAD`.

    Latencies are at half of the rate.
    """
    for scenario, system in figures.rounds:
        key = (scenario, system)
        rounds = figures.rounds[key]
        own = (scenario, "forwarder")
        ratio = figures.ratio(key, own)
        rate = Spread.of([one.rate for one in rounds])
        yield (
            scenario,
            system,
            f"{rate.median:,.0f}",
            f"{rate.least:,.0f} to {rate.most:,.0f}",
            "" if ratio is None or system == "forwarder" else f"{ratio.median:.2f}",
            _latencies(rounds, lambda one: one.accept),
            _latencies(rounds, lambda one: one.delivery),
            f"{_median(rounds, lambda one: one.cpu):,.0f}",
            f"{_median(rounds, lambda one: one.rss):,.0f}",
            f"{_median(rounds, lambda one: one.syncs):.3f}",
            f"{_median(rounds, lambda one: one.written / 1024):.1f}",
            f"{_median(rounds, lambda one: one.start):.2f}",
        )


def bars(figures: Figures) -> Iterator[Bar]:
    """Return what was measured of what is to be reached."""

    def ratio(
        claim: str, one: tuple[str, str], other: tuple[str, str], least: float
    ) -> Iterator[Bar]:
        found = figures.ratio(one, other)
        if found is not None:
            told = f"{found.median:.2f} ({found.least:.2f} to {found.most:.2f})"
            yield Bar(claim, told, found.median >= least)

    relay = ("pass-through", "relay")
    yield from ratio(
        "pass-through at least 0.95 of the stateless forwarder", relay, _FORWARDER, 0.95
    )
    yield from ratio(
        "GitHub scenario at least 0.70 of the stateless forwarder",
        ("github", "relay"),
        ("github", "forwarder"),
        0.7,
    )
    yield from ratio("ahead of Node-RED", relay, ("pass-through", "node-red"), 1.0)
    yield from ratio("at least 5 times FastAPI with arq", relay, ("pass-through", "arq"), 5.0)
    yield from ratio("at least 5 times FastAPI with Celery", relay, ("pass-through", "celery"), 5.0)
    yield from ratio(
        "with a million pending, within 5 %",
        ("pending-million", "relay"),
        ("pending-million", "fresh"),
        0.95,
    )
    yield from ratio(
        "with a million stored, within 5 %",
        ("stored-million", "relay"),
        ("stored-million", "fresh"),
        0.95,
    )
    halves = [at.accept.p99 for one in figures.rounds.get(relay, []) if (at := fixed(one, _HALF))]
    if halves:
        found = Spread.of(halves)
        told = f"{found.median:.1f} ms ({found.least:.1f} to {found.most:.1f})"
        yield Bar("accept p99 at half of saturation under 10 ms", told, found.median < 10)
    start = figures.spread(*relay, lambda found: found.start)
    if start is not None:
        yield Bar("listens within 0.6 s of its start", f"{start.median:.2f} s", start.median < 0.6)
    fan, one, client = (
        figures.spread(scenario, system, lambda found: found.cpu)
        for scenario, system in (("fan-out-100", "relay"), relay, ("pass-through", "client"))
    )
    if fan is not None and one is not None and client is not None:
        extra = (fan.median - one.median) / 99
        told = f"{extra:.0f} µs, the client takes {client.median:.0f} µs"
        yield Bar(
            "an extra delivery costs at most a bare client's post plus 30 %",
            told,
            extra <= client.median * 1.3,
        )
    memory = {
        scenario: _median(rounds, lambda one: one.rss)
        for (scenario, system), rounds in figures.rounds.items()
        if system == "relay" and scenario != "body-1MiB"
    }
    if memory:
        worst = max(memory, key=lambda scenario: memory[scenario])
        told = f"at most {memory[worst]:.0f} MiB ({worst})"
        yield Bar(
            "RSS under 150 MiB in every scenario but the 1 MiB bodies", told, memory[worst] < 150
        )


def table(figures: Figures) -> str:
    """Return the table and the bars as text for a terminal."""
    lines = [HEAD, *rows(figures)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    text += [
        "",
        *(
            f"{'reached' if bar.holds else 'MISSED '}  {bar.claim}: {bar.found}"
            for bar in bars(figures)
        ),
    ]
    return "\n".join(text)


def markdown(figures: Figures) -> str:
    """Return everything as Markdown."""
    shows = {scenario.name: scenario.shows for scenario in SCENARIOS}
    measured = dict.fromkeys(scenario for scenario, _ in figures.rounds)
    systems = dict.fromkeys(system for _, system in figures.rounds)
    machine = figures.machine
    counts = {len(rounds) for rounds in figures.rounds.values()}
    least_to_most = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    where = (
        f"{figures.at} UTC, {machine.cpu}, {machine.cores} cores, "
        f"Linux {machine.kernel}, Python {machine.python}; "
        f"rounds: {least_to_most}, {figures.seconds:g} s of load each time, "
        f"{figures.took / 60:.0f} minutes in all; "
        f"load average at the end {machine.load:.1f}."
    )
    return "\n".join(
        [
            BEGIN,
            "",
            where,
            "",
            *_markdown_table(("bar", "found", "reached"), [
                (bar.claim, bar.found, "yes" if bar.holds else "no") for bar in bars(figures)
            ]),
            "",
            *_markdown_table(HEAD, list(rows(figures))),
            "",
            *_markdown_table(("scenario", "what it is"), [
                (name, shows[name]) for name in measured
            ]),
            "",
            *_markdown_table(("system", "what it is", "what its 2xx means"), [
                (name, SYSTEMS[name].about, SYSTEMS[name].promise) for name in systems
            ]),
            "",
            END,
        ]
    )  # fmt: skip


def _markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    for line in (head, ["---"] * len(head), *lines):
        yield f"| {' | '.join(line)} |"


def _median(rounds: Sequence[Round], value: Callable[[Round], float]) -> float:
    return Spread.of([value(one) for one in rounds]).median


def _latencies(rounds: Sequence[Round], value: Callable[..., Latency | None]) -> str:
    """Return the medians of the percentiles at half of the rate."""
    found = [latency for one in rounds if (at := fixed(one, _HALF)) and (latency := value(at))]
    if not found:
        return ""
    names = ("p50", "p99", "p999")
    return " / ".join(
        f"{Spread.of([getattr(one, name) for one in found]).median:.1f}" for name in names
    )


def main(source: str, document: str = "") -> None:
    """Print the tables, or write them into a document."""
    figures = Figures.from_json(Path(source).read_text())
    if not document:
        print(table(figures))
        return
    before, _, rest = Path(document).read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    Path(document).write_text(before + markdown(figures) + after)


if __name__ == "__main__":
    main(*sys.argv[1:])
