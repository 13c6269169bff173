"""A system to measure: its start, the request that it takes, and the promise of its 2xx."""

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.bench.load import Request
from tests.bench.process import Process, Usage
from tests.bench.scenarios import Scenario

_SENT = "x-sent: @sent@@@@@@@@@@@\r\n"


class Kind(Enum):
    """The part of the work that a system does."""

    FORWARDS = "forwards"  # takes events and delivers them
    ACCEPTS = "accepts"  # only takes them
    ALONE = "alone"  # makes its own load, and prints how much it did


@dataclass(frozen=True, slots=True)
class Bench:
    """The surroundings that all rounds share.

    `target` and `dead`: URLs; `store`: a store with a past, or None; `syncs`: the preloaded
    library; `peers`: the folder where other people's systems are installed; `seconds`: how long
    load lasts; `under`: the command of a program that runs the system and watches it.
    """

    target: str
    dead: str
    store: Path | None
    syncs: Path
    peers: Path
    seconds: float
    under: tuple[str, ...] = ()


class Started:
    """A system that runs, and the request that it takes.

    So many were `posted` to see whether it runs.
    """

    def __init__(
        self, processes: tuple[Process, ...], request: Request, syncs: Path, posted: int = 0
    ) -> None:
        self.processes = processes
        self.request = request
        self.posted = posted
        self._syncs = syncs

    def usage(self) -> Usage:
        """Add up what all its processes have used."""
        all_of_them = [process.usage() for process in self.processes]
        return Usage(
            sum(usage.cpu for usage in all_of_them),
            sum(usage.rss for usage in all_of_them),
            sum(usage.written for usage in all_of_them),
        )

    def syncs(self) -> int:
        """Return how often it has synced anything."""
        return (
            int.from_bytes(self._syncs.read_bytes(), sys.byteorder) if self._syncs.exists() else 0
        )


Start = Callable[[Bench, Scenario, Path], AbstractContextManager[Started]]


@dataclass(frozen=True, slots=True)
class System:
    """A column of the comparison: what it is, and what a 2xx of it promises."""

    name: str
    about: str
    promise: str
    kind: Kind
    start: Start


def counting(bench: Bench, folder: Path) -> dict[str, str]:
    """Return the environment in which syncs are counted."""
    return (
        {}
        if bench.under
        else {"LD_PRELOAD": str(bench.syncs), "BENCH_SYNCS": str(folder / "syncs")}
    )


def request(
    port: int, path: str, body: bytes, headers: Mapping[str, str], turns: int = 1
) -> Request:
    """Return a JSON post as raw HTTP, with the time of its sending in `x-sent`."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: bench\r\naccept: */*\r\n"
        f"content-type: application/json\r\n{_SENT}{lines}content-length: {len(body)}\r\n\r\n"
    )
    return Request(port, head.encode() + body, turns)


def body_of(size: int) -> bytes:
    """Return a JSON body of so many bytes; `shard` is what filters ask for."""
    frame = len('{"shard":0,"text":""}')
    return f'{{"shard":0,"text":"{"x" * (size - frame)}"}}'.encode()


def plain_request(port: int, scenario: Scenario) -> Request:
    """Return the request of a system that verifies nothing."""
    return request(port, "/in/bench", body_of(scenario.body), {})
