"""`make bench`: every scenario on every system that it names, in alternating rounds of one run.

Usage: python -m tests.bench [--rounds N] [--seconds S] [--quick] [--only NAME …] [--systems NAME …]
"""

import argparse
import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from relay.event import Owed
from tests.bench.figures import Figures, Machine
from tests.bench.fill import fill
from tests.bench.install import install
from tests.bench.load import compile_open_loop
from tests.bench.page import page
from tests.bench.process import Failed
from tests.bench.report import table
from tests.bench.rounds import Round, Stand, play
from tests.bench.scenarios import SCENARIOS, Obstacle, Scenario, shrunk
from tests.bench.start_relay import STORED_FOR
from tests.bench.system import Bench, System, body_of
from tests.bench.systems import SYSTEMS
from tests.bench.target import refusing, target
from tests.support.site import REPOSITORY

OUTPUT = REPOSITORY / "var" / "bench"
_STORED_BODY = 100  # bytes


def main() -> None:
    """Run what the options ask for, print the table, write the JSON and the page."""
    options = _options()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit(
            "two cores are needed: one for the system under test, one for load and target"
        )
    scenarios = [
        shrunk(scenario) if options.quick else scenario
        for scenario in SCENARIOS
        if not options.only or scenario.name in options.only
    ]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    wanted = {name for scenario in scenarios for name in scenario.systems if _wants(options, name)}
    installed = install(OUTPUT / "peers", wanted)
    began = time.time()
    found: dict[tuple[str, str], list[Round]] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="run-", dir=OUTPUT) as name, refusing() as dead:
        folder = Path(name)
        open_loop, syncs = compile_open_loop(folder), _compile_syncs(folder)
        for scenario in scenarios:
            systems = [SYSTEMS[name] for name in scenario.systems if _wants(options, name)]
            place = folder / scenario.name
            place.mkdir()
            with target(place / "target") as taking:
                url = taking.slow if scenario.obstacle is Obstacle.SLOW else taking.url
                store = _past(scenario, place)
                bench = Bench(url, dead, store, syncs, installed, options.seconds)
                stand = Stand(taking, open_loop, place)
                for system, one in _rounds(scenario, systems, bench, stand, options.rounds):
                    told = f"  {scenario.name:16} {system.name:10}"
                    if isinstance(one, Failed):
                        failed.append(f"{told} {one}")
                        print(failed[-1], file=sys.stderr)
                        continue
                    found.setdefault((scenario.name, system.name), []).append(one)
                    print(
                        f"{told} {one.rate:8.0f} events/s {one.cpu:8.0f} µs/event", file=sys.stderr
                    )
            shutil.rmtree(place)
    at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(began))
    figures = Figures(_machine(), options.seconds, time.time() - began, at, found)
    (OUTPUT / "figures.json").write_text(figures.to_json())
    (OUTPUT / "figures.html").write_text(page(figures))
    print(table(figures))
    print(f"\n{OUTPUT}/figures.json, {OUTPUT}/figures.html; {figures.took / 60:.1f} minutes")
    if failed:
        raise SystemExit("\n".join([f"{len(failed)} rounds failed, and are not counted:", *failed]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of load, each time")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, a twentieth of what is stored"
    )
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "--only", nargs="*", metavar="SCENARIO", choices=names, help=", ".join(names)
    )
    parser.add_argument(
        "--systems", nargs="*", metavar="SYSTEM", choices=list(SYSTEMS), help=", ".join(SYSTEMS)
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2.0 if options.quick else 3.0)
    return options


def _wants(options: argparse.Namespace, system: str) -> bool:
    return not options.systems or system in options.systems


def _rounds(
    scenario: Scenario, systems: Sequence[System], bench: Bench, stand: Stand, rounds: int
) -> Iterator[tuple[System, Round | Failed]]:
    """Play the systems in turn, in the other order every second round."""
    for number in range(rounds):
        for system in systems if number % 2 == 0 else reversed(systems):
            try:
                yield system, replace(play(system, scenario, bench, stand), number=number)
            except Failed as error:
                yield system, error


def _past(scenario: Scenario, folder: Path) -> Path | None:
    """Return a store with the scenario's past in it, if it has one."""
    if not scenario.stored:
        return None
    path = folder / "past.db"
    route, owed = {
        Obstacle.PENDING: (STORED_FOR, (Owed(STORED_FOR, STORED_FOR),)),
        Obstacle.STORED: ("bench", ()),
        Obstacle.RESTART: ("bench", (Owed("t000000", "t000000"),)),
    }[scenario.obstacle]
    asyncio.run(fill(path, scenario.stored, route, owed, body_of(_STORED_BODY)))
    return path


def _compile_syncs(folder: Path) -> Path:
    library, source = folder / "syncs.so", Path(__file__).with_name("syncs.c")
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-O2",
        "-Wall",
        "-Werror",
        "-o",
        str(library),
        str(source),
        "-ldl",
    ]
    subprocess.run(command, check=True)
    return library


def _machine() -> Machine:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return Machine(
        model,
        os.cpu_count() or 1,
        platform.release(),
        platform.python_version(),
        os.getloadavg()[0],
    )


if __name__ == "__main__":
    main()
