"""The cost of an event in instructions of the processor, by library.

Counts are the same on a busy machine and a quiet one.

    python -m tests.bench.instructions [SYSTEM:SCENARIO …]

Each system runs under valgrind, which counts what it executes in user space: of the kernel nothing,
and of OpenSSL what it does on a processor without instructions for SHA.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Load, compile_open_loop
from tests.bench.scenarios import SCENARIOS
from tests.bench.system import Bench, Started
from tests.bench.systems import SYSTEMS
from tests.bench.target import Target, refusing, target

EVENTS = 500
DEFAULT = ("forwarder:pass-through", "relay:pass-through", "relay:github")
_WARM = 300  # events before: connections, caches, and Python's own adaption of its code
_NAMED = re.compile(r"c?(ob|fn)=\((\d+)\)(?: (.*))?")
_COST = re.compile(r"[+\-*\d]\S* (\d+)")


@dataclass(frozen=True, slots=True)
class Instructions:
    """Of one event, in thousands; `by_library` the most first."""

    total: float
    by_library: dict[str, float]


def per_event(system: str, scenario: str, events: int = EVENTS) -> Instructions:
    """Run a system under valgrind and count."""
    (found,) = (one for one in SCENARIOS if one.name == scenario)
    with tempfile.TemporaryDirectory() as name, refusing() as dead:
        folder = Path(name)
        place, counted = folder / "system", folder / "counted"
        place.mkdir()
        under = (
            "valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no",
            f"--callgrind-out-file={counted}",
        )  # fmt: skip
        with target(folder / "target") as taking:
            bench = Bench(taking.url, dead, None, folder, folder, 0.0, under)
            with SYSTEMS[system].start(bench, found, place) as started:
                load = Load(started.request, compile_open_loop(folder), folder)
                _deliver(load, taking, _WARM, found.owes)
                _control(started, "--instr=on")
                _deliver(load, taking, events, found.owes)
                _control(started, "--instr=off")
                _control(started, "--dump")
        return _read(counted.with_name("counted.1"), events)


def _deliver(load: Load, taking: Target, events: int, owes: int) -> None:
    before = taking.count()
    load.burst(events)
    taking.drain(before + events * owes)


def _control(started: Started, what: str) -> None:
    (process,) = started.processes
    subprocess.run(["callgrind_control", what, str(process.pid)], check=True, capture_output=True)


def _read(counted: Path, events: int) -> Instructions:
    """Add up callgrind's own costs of each function.

    Source of the format: https://valgrind.org/docs/manual/cl-format.html
    """
    libraries: dict[str, str] = {}
    costs: Counter[str] = Counter()
    here, is_call = "", False
    for line in counted.read_text(errors="replace").splitlines():
        if named := _NAMED.match(line):
            if named[1] == "ob" and named[3]:
                libraries[named[2]] = Path(named[3]).name.partition(".")[0]
            if line.startswith("ob="):
                here = libraries[named[2]]
        elif line.startswith("calls="):
            # The next line is the cost of the function called, which has a line of its own as well.
            is_call = True
        elif cost := _COST.match(line):
            if not is_call:
                costs[here] += int(cost[1])
            is_call = False
    parts = {name: cost / events / 1000 for name, cost in costs.most_common()}
    return Instructions(sum(parts.values()), parts)


def main(wanted: Iterable[str]) -> None:
    """Print what each costs, and how it compares with the first."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is needed: install the package valgrind")
    first = 0.0
    for name in wanted:
        system, _, scenario = name.partition(":")
        cost = per_event(system, scenario)
        first = first or cost.total
        libraries = list(cost.by_library.items())[:8]
        most = ", ".join(f"{library} {thousands:.0f}" for library, thousands in libraries)
        print(
            f"{name:26} {cost.total:6.0f} thousand an event, "
            f"{cost.total / first:.2f} of the first: {most}"
        )


if __name__ == "__main__":
    main(sys.argv[1:] or DEFAULT)
