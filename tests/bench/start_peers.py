"""Other systems that people use, as they set them up."""

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import Request
from tests.bench.process import PATIENCE, SYSTEM_CORE, Failed, Process, running, wait_for_port
from tests.bench.scenarios import Scenario
from tests.bench.system import Bench, Start, Started, counting, plain_request
from tests.support.site import free_port

_PEERS = Path(__file__).with_name("peers")


def worker(module: str, *command: str) -> Start:
    """Return what starts a FastAPI endpoint, Redis with its own defaults, and a worker."""

    @contextlib.contextmanager
    def start(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
        port, redis_port = free_port(), free_port()
        shutil.copy(_PEERS / f"{module}.py", folder)
        redis = (
            "redis-server",
            "--port",
            str(redis_port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(folder),
        )
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
            work: tuple[str | Path, ...] = (python / command[0], *command[1:])
            worker_process = stack.enter_context(running(SYSTEM_CORE, work, folder, environment))
            one = plain_request(port, scenario)
            _wait_for_2xx(one, web)
            yield Started((store, web, worker_process), one, folder / "syncs", posted=1)

    return start


@contextlib.contextmanager
def node_red(bench: Bench, scenario: Scenario, folder: Path) -> Iterator[Started]:
    port = free_port()
    flows = (_PEERS / "flows.json").read_text().replace("BENCH_TARGET", bench.target)
    (folder / "flows.json").write_text(flows)
    shutil.copy(_PEERS / "node-red.js", folder / "settings.js")
    command = (bench.peers / "node_modules/.bin/node-red", "--userDir", folder)
    environment = counting(bench, folder) | {"BENCH_PORT": str(port)}
    with running(SYSTEM_CORE, command, folder, environment) as process:
        one = plain_request(port, scenario)
        _wait_for_2xx(one, process)
        yield Started((process,), one, folder / "syncs", posted=1)


def _wait_for_2xx(one: Request, process: Process) -> None:
    """Post until it is answered with 2xx: some systems listen before they can do anything."""
    wait_for_port(one.port, process)
    deadline = time.monotonic() + PATIENCE
    answer = b""
    while not answer.startswith(b"HTTP/1.1 2"):
        process.check()
        if time.monotonic() > deadline:
            raise Failed(f"there is no 2xx yet: {answer!r}")
        with socket.create_connection(("127.0.0.1", one.port), PATIENCE) as connection:
            connection.sendall(one.raw)
            answer = connection.recv(4096)
        time.sleep(0.1)
