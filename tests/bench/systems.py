"""What is measured: the relay, the floors below it, and what else people use; each says what its 2xx means."""

import contextlib
import hashlib
import hmac
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from tests.bench.load import Request
from tests.bench.process import SYSTEM_CORE, Process, Usage, running, wait_for_port
from tests.bench.scenarios import MIB, Obstacle, Scenario
from tests.support.site import REPOSITORY, Site, free_port

TOKEN = "bench-token"
STORED_FOR = "down"  # the route and the target of what is pending beside
_PROGRAMS = Path(__file__).with_name("programs")
_SENT = "x-sent: @sent@@@@@@@@@@@\r\n"


class Kind(Enum):
    """What can be asked of a system."""

    FORWARDS = "forwards"  # takes events and delivers them
    ACCEPTS = "accepts"  # only takes them
    ALONE = "alone"  # makes its own load, and prints how much it did


@dataclass(frozen=True, slots=True)
class Bench:
    """What all rounds share.

    `target` and `dead`: URLs; `store`: a store with a past, or None; `syncs`: the preloaded library;
    `peers`: the folder where other people's systems are installed; `seconds`: how long load lasts.
    """

    target: str
    dead: str
    store: Path | None
    syncs: Path
    peers: Path
    seconds: float


class Started:
    """A system that runs, and the request that it takes."""

    def __init__(self, processes: tuple[Process, ...], request: Request, syncs: Path) -> None:
        self.processes = processes
        self.request = request
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
        return int.from_bytes(self._syncs.read_bytes(), sys.byteorder) if self._syncs.exists() else 0


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
    return {"LD_PRELOAD": str(bench.syncs), "BENCH_SYNCS": str(folder / "syncs")}


def request(port: int, path: str, body: bytes, headers: Mapping[str, str], turns: int = 1) -> Request:
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


# --- the relay ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _relay(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
    site = Site(folder / "site")
    _configure(site, bench, scenario)
    command = (Path(sys.executable).with_name("relay"), "run", "--json", "--config", site.config)
    environment = counting(bench, folder) | {"BENCH_TOKEN": TOKEN}
    with running(SYSTEM_CORE, command, folder, environment) as process:
        port = int(str(json.loads(process.line())["incoming"][0]).split("/")[2].rpartition(":")[2])
        yield Started((process,), _relay_request(site, scenario, port), folder / "syncs")


def _configure(site: Site, bench: Bench, scenario: Scenario) -> None:
    url = bench.target
    targets: dict[str, Any] = {f"t{n:06d}": {"url": url} for n in range(max(scenario.owes, scenario.routes))}
    names = list(targets)
    match scenario.obstacle:
        case Obstacle.SLOW:
            targets = {name: {"url": url, "concurrency": 256} for name in names}
        case Obstacle.DEAD:
            targets["dead"] = {"url": bench.dead}
            names.append("dead")
        case Obstacle.PENDING:
            targets[STORED_FOR] = {"url": bench.dead}
            site.route(STORED_FOR, {"forward": [{"to": STORED_FOR}]})
        case Obstacle.NONE | Obstacle.STORED | Obstacle.RESTART:
            pass
    settings = {} if bench.store is None else {"store": f"sqlite:{bench.store}"}
    if scenario.is_github:
        targets = {"chat": {"url": url}, "inbox": {"file": "../var/inbox.jsonl"}}
        site.shipped_route("github")
    elif scenario.routes > 1:
        for n, name in enumerate(names):
            site.route(f"r{n:06d}", _route([{"to": name}]))
    else:
        forwards = [{"to": name} for name in names]
        forwards += [
            {"to": names[0], "name": f"no-{n}", "when": f"body.shard == {n}"}
            for n in range(1, scenario.filtered + 1)
        ]
        site.route("bench", _route(forwards))
    site.configure(targets, **settings)


def _route(forwards: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "verify": {"scheme": "token", "secrets": ["env:BENCH_TOKEN"]},
        "limits": {"body": f"{2 * MIB}B"},
        "forward": forwards,
    }


def _relay_request(site: Site, scenario: Scenario, port: int) -> Request:
    if scenario.is_github:
        sample = json.loads((REPOSITORY / "routes/github/samples/push.json").read_text())
        body = json.dumps(sample["body"], separators=(",", ":"), ensure_ascii=False).encode()
        signature = hmac.new(site.secret("github").strip().encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "x-github-event": "push",
            "x-github-delivery": "bench-@unique@@@@@",
            "x-hub-signature-256": f"sha256={signature}",
        }
        return request(port, "/in/github", body, headers)
    path = "/in/r@turn@" if scenario.routes > 1 else "/in/bench"
    headers = {"authorization": f"Bearer {TOKEN}"}
    return request(port, path, body_of(scenario.body), headers, scenario.routes)


# --- the floors --------------------------------------------------------------------------------------


def _program(name: str, *, forwards: bool) -> Start:
    @contextlib.contextmanager
    def start(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
        port = free_port()
        command = [sys.executable, str(_PROGRAMS / name), str(port), *([bench.target] * forwards)]
        with running(SYSTEM_CORE, command, folder, counting(bench, folder)) as process:
            wait_for_port(port, process)
            yield Started((process,), plain_request(port, scenario), folder / "syncs")

    return start


def _alone(name: str) -> Start:
    @contextlib.contextmanager
    def start(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
        where = bench.target if name == "client.py" else str(folder / "floor.db")
        sizes = (str(scenario.body), "64", str(bench.seconds))
        command = [sys.executable, str(_PROGRAMS / name), where, *sizes]
        with running(SYSTEM_CORE, command, folder, counting(bench, folder)) as process:
            yield Started((process,), plain_request(0, scenario), folder / "syncs")

    return start


def plain_request(port: int, scenario: Scenario) -> Request:
    """Return the request of a system that verifies nothing."""
    return request(port, "/in/bench", body_of(scenario.body), {})


# --- what else people use ----------------------------------------------------------------------------


def _worker(module: str, *worker: str) -> Start:
    """Return what starts a FastAPI endpoint, Redis as Debian configures it, and a worker."""

    @contextlib.contextmanager
    def start(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
        port, redis_port = free_port(), free_port()
        shutil.copy(_PEERS / f"{module}.py", folder)
        redis = ("redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", str(folder))
        environment = counting(bench, folder) | {
            "BENCH_REDIS": str(redis_port),
            "BENCH_TARGET": bench.target,
            "PYTHONPATH": str(folder),
        }
        python = bench.peers / "bin"
        endpoint = (python / "uvicorn", f"{module}:app", "--port", str(port), "--no-access-log")
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(running(SYSTEM_CORE, redis, folder, environment))
            wait_for_port(redis_port, store)
            web = stack.enter_context(running(SYSTEM_CORE, endpoint, folder, environment))
            command = (python / worker[0], *worker[1:])
            worker_process = stack.enter_context(running(SYSTEM_CORE, command, folder, environment))
            wait_for_port(port, web)
            yield Started((store, web, worker_process), plain_request(port, scenario), folder / "syncs")

    return start


@contextlib.contextmanager
def _node_red(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
    port = free_port()
    flows = (_PEERS / "flows.json").read_text().replace("BENCH_TARGET", bench.target)
    (folder / "flows.json").write_text(flows)
    shutil.copy(_PEERS / "node-red.js", folder / "settings.js")
    command = (bench.peers / "node_modules/.bin/node-red", "--userDir", folder)
    environment = counting(bench, folder) | {"BENCH_PORT": str(port)}
    with running(SYSTEM_CORE, command, folder, environment) as process:
        wait_for_port(port, process)
        yield Started((process,), plain_request(port, scenario), folder / "syncs")


_PEERS = Path(__file__).with_name("peers")
_FORWARDED = "the target has answered 2xx; nothing is stored, and what fails is the sender's to send again"
_IN_REDIS = "the job is in Redis' memory; a crash of Redis loses what came since its last snapshot (minutes)"
SYSTEMS = {
    system.name: system
    for system in (
        System(
            "relay",
            "the relay",
            "the event and all that it owes are on disk, synced; every delivery has an end that can be asked for",
            Kind.FORWARDS,
            _relay,
        ),
        System(
            "forwarder",
            "stateless aiohttp forwarder, uvloop",
            _FORWARDED,
            Kind.FORWARDS,
            _program("forwarder.py", forwards=True),
        ),
        System(
            "server",
            "bare aiohttp server, uvloop",
            "nothing: the body is read and forgotten",
            Kind.ACCEPTS,
            _program("server.py", forwards=False),
        ),
        System("client", "bare aiohttp client, uvloop, 64 tasks", "-", Kind.ALONE, _alone("client.py")),
        System(
            "sqlite",
            "SQLite alone, 64 rows in a synced transaction",
            "-",
            Kind.ALONE,
            _alone("commit.py"),
        ),
        System("node-red", "Node-RED: http in, function, http request", _FORWARDED, Kind.FORWARDS, _node_red),
        System(
            "arq",
            "FastAPI on uvicorn, arq on Redis, httpx",
            _IN_REDIS,
            Kind.FORWARDS,
            _worker("with_arq", "arq", "with_arq.WorkerSettings"),
        ),
        System(
            "celery",
            "FastAPI on uvicorn, Celery on Redis, requests",
            _IN_REDIS,
            Kind.FORWARDS,
            _worker(
                "with_celery",
                "celery",
                "--app",
                "with_celery",
                "worker",
                "--concurrency",
                "4",
                "--loglevel",
                "ERROR",
            ),
        ),
    )
}
