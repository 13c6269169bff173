"""The floors: programs that do a part of the relay's work, and keep no promise."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.process import SYSTEM_CORE, running, wait_for_port
from tests.bench.scenarios import Scenario
from tests.bench.system import Bench, Start, Started, counting, plain_request
from tests.support.site import free_port

_PROGRAMS = Path(__file__).with_name("programs")


def program(name: str, *, forwards: bool) -> Start:
    @contextlib.contextmanager
    def start(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
        port = free_port()
        command = [
            *bench.under,
            sys.executable,
            str(_PROGRAMS / name),
            str(port),
            *([bench.target] * forwards),
        ]
        with running(SYSTEM_CORE, command, folder, counting(bench, folder)) as process:
            wait_for_port(port, process)
            yield Started((process,), plain_request(port, scenario), folder / "syncs")

    return start


def alone(name: str) -> Start:
    @contextlib.contextmanager
    def start(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
        where = bench.target if name == "client.py" else str(folder / "floor.db")
        sizes = (str(scenario.body), "64", str(bench.seconds))
        command = [*bench.under, sys.executable, str(_PROGRAMS / name), where, *sizes]
        with running(SYSTEM_CORE, command, folder, counting(bench, folder)) as process:
            yield Started((process,), plain_request(0, scenario), folder / "syncs")

    return start
