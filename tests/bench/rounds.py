"""One round: a system under one scenario once, from a fresh start to its last delivery."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.load import Load
from tests.bench.scenarios import Obstacle, Scenario
from tests.bench.system import Bench, Kind, Started, System
from tests.bench.target import Arrival, Target

WARM = 1.0  # seconds of load before anything is measured


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution, in milliseconds."""

    p50: float
    p99: float
    p999: float


@dataclass(frozen=True, slots=True)
class FixedRate:
    """The waiting at a fixed rate.

    `fraction`: the rate as a share of the highest; `rate`: events a second; `accept`: from when a
    request was due until its answer; `delivery`: until the target had it.
    """

    fraction: float
    rate: float
    accept: Latency
    delivery: Latency | None


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one round.

    `rate`: events a second, from the first request to the last delivery; `accepted`: answered 2xx a
    second; `saturated`: latency of the answers meanwhile; `cpu`: microseconds an event; `rss`: MiB
    at the highest; `syncs` and `written` (bytes) an event; `start`: seconds until it listened;
    `number`: in which round of the run.
    """

    rate: float
    accepted: float
    saturated: Latency | None
    cpu: float
    rss: float
    syncs: float
    written: float
    start: float
    fixed: tuple[FixedRate, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Stand:
    """The place of a round: the target, the load generator's program, a folder for its files."""

    target: Target
    open_loop: Path
    folder: Path


def play(system: System, scenario: Scenario, bench: Bench, stand: Stand) -> Round:
    """Start the system, load it, and return what was found; its files are removed."""
    folder = stand.folder / "round"
    folder.mkdir()
    try:
        if scenario.obstacle is Obstacle.RESTART:
            return _restart(system, scenario, bench, stand, folder)
        before = stand.target.count()
        began = time.perf_counter()
        with system.start(bench, scenario, folder) as started:
            took = time.perf_counter() - began
            if system.kind is Kind.ALONE:
                return _alone(started, took)
            stand.target.drain(before + started.posted)
            return _loaded(system, scenario, bench, stand, started, folder, took)
    finally:
        shutil.rmtree(folder)


def _loaded(
    system: System,
    scenario: Scenario,
    bench: Bench,
    stand: Stand,
    started: Started,
    folder: Path,
    took: float,
) -> Round:
    """Find the rate, then load at fixed shares of it."""
    owes = scenario.owes if system.kind is Kind.FORWARDS else 0
    load = Load(started.request, stand.open_loop, folder)
    meter = _Meter(started, stand.target, owes)
    warm = load.burst(scenario.burst // 10) if scenario.burst else load.saturate(WARM)
    meter.settle(warm.answered)
    meter.begin()
    answers = load.burst(scenario.burst) if scenario.burst else load.saturate(bench.seconds)
    found = meter.end(answers.answered, answers.seconds)
    fixed = []
    for fraction in scenario.fractions:
        rate = found.rate * fraction
        mark = stand.target.mark()
        count = max(int(rate * bench.seconds), 20)
        told = load.at_rate(rate, count)
        meter.settle(count)
        waited = _delays(stand.target.arrivals(mark), load.sent()) if owes else []
        accept = Latency(told.p50, told.p99, told.p999)
        fixed.append(FixedRate(fraction, rate, accept, _latency(waited) if waited else None))
    return replace(
        found,
        accepted=answers.answered / answers.seconds,
        saturated=Latency(answers.p50, answers.p99, answers.p999),
        rss=started.usage().rss,
        start=took,
        fixed=tuple(fixed),
    )


def _alone(started: Started, took: float) -> Round:
    """Read what a system says that made its own load."""
    (process,) = started.processes
    told = process.json()
    usage, events = started.usage(), told["events"]
    rate = events / told["seconds"]
    cpu, written = told["cpu"] / events * 1e6, usage.written / events
    return Round(rate, rate, None, cpu, usage.rss, started.syncs() / events, written, took)


def _restart(system: System, scenario: Scenario, bench: Bench, stand: Stand, folder: Path) -> Round:
    """Start on a store where deliveries wait, until the last of them is delivered."""
    assert bench.store is not None
    store = folder / "relay.db"
    shutil.copy(bench.store, store)
    before = stand.target.count()
    began = time.perf_counter()
    with system.start(replace(bench, store=store), scenario, folder) as started:
        took = time.perf_counter() - began
        _, last = stand.target.drain(before + scenario.stored)
        usage, events = started.usage(), scenario.stored
        cpu, written = usage.cpu / events * 1e6, usage.written / events
        rate = events / (last - began)
        return Round(rate, 0.0, None, cpu, usage.rss, started.syncs() / events, written, took)


class _Meter:
    """Counts at the target, and reads what the system has used meanwhile."""

    def __init__(self, started: Started, target: Target, owes: int) -> None:
        self._started = started
        self._target = target
        self._owes = owes
        self._before = target.count()

    def settle(self, events: int) -> None:
        """Wait until what so many events owe is delivered."""
        self._before, _ = self._target.drain(self._before + events * self._owes)

    def begin(self) -> None:
        """Measure from now on."""
        self._usage, self._syncs = self._started.usage(), self._started.syncs()
        self._began = time.perf_counter()

    def end(self, answered: int, seconds: float) -> Round:
        """Wait for the last delivery; without deliveries, the load's own seconds count."""
        events: float = answered
        if self._owes:
            # The generator drops answers that are under way when its time is up: those events count
            # as well.
            count, last = self._target.drain(self._before + answered * self._owes)
            events = (count - self._before) / self._owes
            seconds = last - self._began
            self._before = count
        usage = self._started.usage()
        return Round(
            rate=events / seconds,
            accepted=0.0,
            saturated=None,
            cpu=(usage.cpu - self._usage.cpu) / events * 1e6,
            rss=usage.rss,
            syncs=(self._started.syncs() - self._syncs) / events,
            written=(usage.written - self._usage.written) / events,
            start=0.0,
        )


def _delays(arrivals: Sequence[Arrival], sent: dict[str, float]) -> list[float]:
    """Return, for each delivery, the milliseconds since its event was due."""
    delays = []
    for arrival in arrivals:
        begin = int(arrival.sent) / 1e6 if arrival.sent.isdigit() else sent.get(arrival.event_id)
        if begin is not None:
            delays.append(
                max(arrival.at - begin, 0.0) * 1000
            )  # nginx tells whole milliseconds, cut off
    return sorted(delays)


def _latency(values: Sequence[float]) -> Latency:
    """Return percentiles of sorted values."""
    shares = (0.5, 0.99, 0.999)
    return Latency(*(values[min(int(len(values) * share), len(values) - 1)] for share in shares))
