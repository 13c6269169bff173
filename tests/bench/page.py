"""Figures as one HTML page with plots in SVG, which needs nothing but itself."""

import math
from collections.abc import Callable, Sequence
from html import escape

from tests.bench.figures import Figures, Spread, fixed
from tests.bench.report import HEAD, bars, rows
from tests.bench.rounds import FixedRate, Round

_WIDTH, _LABEL, _VALUE, _LINE = 760, 190, 110, 26
_PLOT_HEIGHT, _MARGIN = 300, 52
_STYLE = """
:root { color-scheme: light dark;
  --ink: #1c2330; --paper: #fff; --faint: #8a93a3; --grid: #d9dde4; --bar: #2f6fde;
  --c0: #2f6fde; --c1: #d9622b; --c2: #2c9a62; --c3: #8a54c7; --c4: #b08900; --c5: #5b6675; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6e9ef; --paper: #14181f; --grid: #303743; --bar: #6ea0ff;
  --c0: #6ea0ff; --c1: #ff9460; --c2: #5fd39a; --c3: #c095f5; --c4: #e5c04a; --c5: #a4afbf; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25em .7em; border-bottom: 1px solid var(--grid);
  white-space: nowrap; }
.wide { overflow-x: auto; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; }
.faint { fill: var(--faint); color: var(--faint); } .no { color: var(--c1); font-weight: 600; }
"""


def page(figures: Figures) -> str:
    """Return the page."""
    machine = figures.machine
    where = (
        f"{figures.at} UTC · {machine.cpu}, {machine.cores} cores, "
        f"Linux {machine.kernel}, Python {machine.python} · "
        f"{figures.took / 60:.0f} minutes · load average at the end {machine.load:.1f}"
    )
    parts = [
        f"<h1>How fast the relay is</h1><p class='faint'>{escape(where)}</p>",
        _table(
            ("bar", "found", "reached"),
            [(b.claim, b.found, "yes" if b.holds else "no") for b in bars(figures)],
        ),
        "<h2>Pass-through, 1 KiB: each system on one core</h2>",
        _bars(
            figures,
            "events a second, until the last delivery",
            "pass-through",
            None,
            lambda one: one.rate,
        ),
        _bars(figures, "CPU, µs an event", "pass-through", None, lambda one: one.cpu),
        "<h2>Waiting, by load</h2>",
        "<p>Open loop: from when a request was due. Each system at shares of its own rate.</p>",
        _curves(figures, "accept p99, ms", lambda one: one.accept.p99),
        _curves(
            figures, "delivery p99, ms", lambda one: one.delivery.p99 if one.delivery else None
        ),
        "<h2>The relay in every scenario</h2>",
        _bars(
            figures, "events a second, until the last delivery", None, "relay", lambda one: one.rate
        ),
        _bars(figures, "CPU, µs an event", None, "relay", lambda one: one.cpu),
        _bars(figures, "peak memory, MiB", None, "relay", lambda one: one.rss),
        _bars(figures, "syncs an event", None, "relay", lambda one: one.syncs),
        _bars(figures, "KiB written an event", None, "relay", lambda one: one.written / 1024),
        "<h2>All figures</h2><p>Medians of the rounds; waiting at half of the rate found.</p>",
        f"<div class='wide'>{_table(HEAD, list(rows(figures)))}</div>",
    ]
    head = f"<meta charset='utf-8'><title>relay: figures</title><style>{_STYLE}</style>"
    return (
        f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"
    )


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=no' if cell == 'no' else ''}>{escape(cell)}</td>" for cell in line)
        + "</tr>"
        for line in lines
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _bars(
    figures: Figures,
    title: str,
    scenario: str | None,
    system: str | None,
    value: Callable[[Round], float],
) -> str:
    """Return bars of medians for one scenario or one system.

    A line on each bar goes from the least to the most.
    """
    spreads = [
        (
            one_scenario if scenario is None else one_system,
            Spread.of([value(one) for one in rounds]),
        )
        for (one_scenario, one_system), rounds in figures.rounds.items()
        if scenario in {None, one_scenario} and system in {None, one_system}
    ]
    if not spreads:
        return ""
    top = max(spread.most for _, spread in spreads) or 1
    scale = (_WIDTH - _LABEL - _VALUE) / top
    parts = []
    for n, (label, spread) in enumerate(spreads):
        y = n * _LINE + 4
        middle, low, high = y + 9, _LABEL + spread.least * scale, _LABEL + spread.most * scale
        parts.append(
            f"<text x='{_LABEL - 8}' y='{y + 13}' text-anchor='end'>{escape(label)}</text>"
            f"<rect x='{_LABEL}' y='{y}' width='{spread.median * scale:.1f}' height='18' rx='2'"
            " fill='var(--bar)'/>"
            f"<line x1='{low:.1f}' x2='{high:.1f}' y1='{middle}' y2='{middle}'"
            " stroke='var(--ink)' stroke-width='2'/>"
            f"<text x='{high + 8:.1f}' y='{y + 13}'>{_number(spread.median)}</text>"
        )
    return _svg(title, len(spreads) * _LINE + 8, parts)


def _curves(figures: Figures, title: str, value: Callable[[FixedRate], float | None]) -> str:
    """Return a line a system over its fixed rates, on logarithmic axes."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for (scenario, system), rounds in figures.rounds.items():
        if scenario != "pass-through":
            continue
        for fraction in [rate.fraction for rate in rounds[0].fixed]:
            rates = [rate for played in rounds if (rate := fixed(played, fraction))]
            values = [y for rate in rates if (y := value(rate)) is not None]
            if values:
                x = Spread.of([rate.rate for rate in rates]).median
                lines.setdefault(system, []).append((x, Spread.of(values).median))
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    across = _Axis([x for x, _ in points], _MARGIN, _WIDTH - _VALUE)
    up = _Axis([y for _, y in points], _PLOT_HEIGHT - _MARGIN, 12)
    parts = [
        f"<line x1='{_MARGIN}' x2='{_WIDTH - _VALUE}' y1='{up(y):.1f}' y2='{up(y):.1f}'"
        " stroke='var(--grid)'/>"
        f"<text x='{_MARGIN - 6}' y='{up(y) + 4:.1f}' text-anchor='end'>{_number(y)}</text>"
        for y in up.ticks
    ]
    parts += [
        f"<line y1='12' y2='{_PLOT_HEIGHT - _MARGIN}' x1='{across(x):.1f}' x2='{across(x):.1f}'"
        " stroke='var(--grid)'/>"
        f"<text x='{across(x):.1f}' y='{_PLOT_HEIGHT - _MARGIN + 18}' text-anchor='middle'>"
        f"{_number(x)}</text>"
        for x in across.ticks
    ]
    parts.append(
        f"<text x='{_MARGIN}' y='{_PLOT_HEIGHT - 8}' class='faint'>events a second offered</text>"
    )
    for n, (system, line) in enumerate(lines.items()):
        colour, (end_x, end_y) = f"var(--c{n % 6})", line[-1]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        parts += [
            f"<circle cx='{across(x):.1f}' cy='{up(y):.1f}' r='3' fill='{colour}'/>"
            for x, y in line
        ]
        parts.append(
            f"<text x='{across(end_x) + 8:.1f}' y='{up(end_y) + 4:.1f}' style='fill:{colour}'>"
            f"{escape(system)}</text>"
        )
    return _svg(title, _PLOT_HEIGHT, parts)


class _Axis:
    """A logarithmic axis from `start` to `end` in pixels.

    It has ticks at 1, 2 and 5 times powers of ten.
    """

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        least, most = max(min(values), 1e-3) / 1.15, max(*values, 1e-3) * 1.15
        self._low, self._high = math.log10(least), math.log10(most)
        self._start, self._end = start, end
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        ticks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        self.ticks = [tick for tick in ticks if least <= tick <= most]

    def __call__(self, value: float) -> float:
        share = (math.log10(max(value, 1e-3)) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def _number(value: float) -> str:
    """Return three digits of a number."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    name = escape(title)
    head = f"<svg viewBox='0 0 {_WIDTH} {height}' width='{_WIDTH}' role='img' aria-label='{name}'>"
    return f"<h3>{name}</h3>{head}{''.join(parts)}</svg>"
