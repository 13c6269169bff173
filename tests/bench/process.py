"""Processes on one core, and what /proc says about them: time, memory, bytes written."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM_CORE, LOAD_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
PATIENCE = 120.0  # seconds for anything to start or end
_TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A round that can't be counted: a process ended, or a request got no 2xx or did not arrive."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The use of processes so far: CPU seconds, peak memory in MiB, bytes sent to the disk."""

    cpu: float
    rss: float
    written: int


class Process:
    """A process in a session of its own, so that its children are known as well."""

    def __init__(self, popen: "subprocess.Popen[bytes]", out: Path, log: Path) -> None:
        self._popen = popen
        self._out = out
        self._log = log

    @property
    def pid(self) -> int:
        """Its id."""
        return self._popen.pid

    def json(self) -> dict[str, Any]:
        """Return the object that it prints as its first line.

        Raise Failed with its log if it ends before.
        """
        while not (printed := self._out.read_bytes()).endswith(b"\n"):
            self.check()
            time.sleep(0.005)
        value: dict[str, Any] = json.loads(printed.splitlines()[0])
        return value

    def check(self) -> None:
        """Raise SystemExit with its log if it has ended."""
        if self._popen.poll() is not None:
            raise Failed(f"{self._popen.args!r} ended:\n{self._log.read_text()[-3000:]}")

    def usage(self) -> Usage:
        """Add up its own and its children's."""
        pids = [pid for pid, session in _sessions() if session == self.pid]
        return Usage(sum(map(_cpu, pids)), sum(map(_peak, pids)), sum(map(_written, pids)))

    def end(self) -> None:
        """End it, and whatever of its children is left."""
        self._popen.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


@contextlib.contextmanager
def running(
    core: int,
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a command in `folder` on one core, and end it."""
    name = Path(command[0]).name
    out, log = folder / f"{name}.out", folder / f"{name}.log"
    with out.open("wb") as printed, log.open("wb") as errors:
        popen = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=errors,
            start_new_session=True,
        )
    process = Process(popen, out, log)
    try:
        yield process
    finally:
        process.end()


def wait_for_port(port: int, process: Process) -> None:
    """Wait until something listens on a port of 127.0.0.1."""
    deadline = time.monotonic() + PATIENCE
    while True:
        process.check()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _sessions() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            yield int(folder.name), int(fields[3])


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _peak(pid: int) -> float:
    return _field(f"/proc/{pid}/status", "VmHWM:") / 1024


def _written(pid: int) -> int:
    return _field(f"/proc/{pid}/io", "\nwrite_bytes:")


def _field(path: str, name: str) -> int:
    try:
        found = Path(path).read_text().partition(name)[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[0]) if found else 0
