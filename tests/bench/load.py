"""Load from native programs on the other core.

`wrk` finds the rate; `open_loop.c` sends at fixed rates and in bursts.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import LOAD_CORE, Failed

CONNECTIONS = 64  # for wrk and bursts
# At fixed rates there are so many that a request waits for the system, not for the generator.
OPEN_CONNECTIONS = 256
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Request:
    """The request that is posted again and again, to `turns` routes in turn.

    It is raw HTTP with marks (see `open_loop.c`).
    """

    port: int
    raw: bytes
    turns: int = 1


@dataclass(frozen=True, slots=True)
class Answers:
    """How many requests were answered with 2xx in how many seconds; latencies in milliseconds."""

    answered: int
    seconds: float
    p50: float
    p99: float
    p999: float
    max: float


def compile_open_loop(folder: Path) -> Path:
    """Compile the generator and return the program."""
    program = folder / "open_loop"
    source = _HERE / "open_loop.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


class Load:
    """Posts one system's request. No two of its requests share a unique number."""

    def __init__(self, request: Request, program: Path, folder: Path) -> None:
        self._request = request
        self._program = program
        self._file = folder / "request"
        self._file.write_bytes(request.raw)
        self._answers = folder / "answers"
        self._seed = 1

    def saturate(self, seconds: float) -> Answers:
        """Post as fast as answers come, over 64 connections, by wrk."""
        command = [
            "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(seconds, 1):.0f}s", "--timeout", "60s",
            "-s", str(_HERE / "saturate.lua"), f"http://127.0.0.1:{self._request.port}/",
        ]  # fmt: skip
        environment = {
            "BENCH_REQUEST": str(self._file),
            "BENCH_TURNS": str(self._request.turns),
            "BENCH_SEED": str(self._seed),
        }
        return self._run(command, environment, 2 * CONNECTIONS)

    def burst(self, count: int) -> Answers:
        """Post `count` as fast as answers come, over 64 connections."""
        return self._run(self._open_loop(0.0, count, CONNECTIONS, ""), {}, 0)

    def at_rate(self, rate: float, count: int) -> Answers:
        """Post `count` at a fixed rate, and measure from when each was due."""
        return self._run(self._open_loop(rate, count, OPEN_CONNECTIONS, str(self._answers)), {}, 0)

    def sent(self) -> dict[str, float]:
        """Return when each event of the last run at a fixed rate was due, by its id.

        Times are seconds since the epoch, by the wall clock.
        """
        due_at = {}
        for line in self._answers.read_text().splitlines():
            due, _, answer = line.partition(" ")
            if answer.startswith('{"id"'):
                due_at[str(json.loads(answer)["id"])] = int(due) / 1e6
        return due_at

    def _open_loop(self, rate: float, count: int, connections: int, answers: str) -> list[str]:
        numbers = (f"{rate:.3f}", count, connections, self._seed, self._request.turns)
        return [str(self._program), str(self._request.port), *map(str, numbers), answers]

    def _run(self, command: list[str], environment: dict[str, str], cut: int) -> Answers:
        """Run a generator, which leaves at most `cut` requests without an answer.

        Requests are cut off at its start and at its end.
        """
        with self._file.open("rb") as request:
            done = subprocess.run(
                ["taskset", "-c", str(LOAD_CORE), *command],
                stdin=request, capture_output=True, text=True, check=False,
                env=os.environ | environment,
            )  # fmt: skip
        if done.returncode != 0:
            raise Failed(f"{command[0]} failed: {done.stderr or done.stdout}")
        told = json.loads(done.stdout.splitlines()[-1])
        if told["failed"] or not told["answered"]:
            raise Failed(f"{told['failed']} requests were not answered with 2xx: {done.stdout}")
        self._seed += told["answered"] + cut
        return Answers(
            *(told[name] for name in ("answered", "seconds", "p50", "p99", "p999", "max"))
        )
