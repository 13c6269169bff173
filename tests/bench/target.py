"""The target: nginx, which counts what comes and writes down when; one place of it is slow."""

import contextlib
import http.client
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import LOAD_CORE, Failed, running, wait_for_port
from tests.support.site import free_port

QUIET = 0.25  # seconds without a delivery after which no more is expected
DRAIN = 180.0  # seconds until the last delivery at most
_ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")  # comes with Debian's nginx-light
_COUNT = re.compile(rb"requests\s+\d+ \d+ (\d+)")
_CONFIG = """
load_module {echo};
worker_processes 1; worker_rlimit_nofile 16384; daemon off;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  log_format delivery '$msec $http_x_sent $http_webhook_id';
  access_log {folder}/deliveries delivery buffer=64k flush=100ms;
  keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 100m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 204; }}
    location /slow {{ echo_sleep 0.05; echo ok; }}
    location /count {{ stub_status; access_log off; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery at the target.

    `at`: when it came, in seconds since the epoch by the wall clock; `sent`: when it was sent, as
    its own header says; `event_id`: its event.
    """

    at: float
    sent: str
    event_id: str


class Target:
    """A running nginx; `url` takes deliveries at once, `slow` after 50 ms."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hook"
        self.slow = f"http://127.0.0.1:{port}/slow"
        self._log = log
        self._asked = 0
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()

    def count(self) -> int:
        """Return how many deliveries have come."""
        self._asked += 1
        self._connection.request("GET", "/count")
        counted = _COUNT.search(self._connection.getresponse().read())
        assert counted is not None
        return int(counted[1]) - self._asked

    def drain(self, wanted: int) -> tuple[int, float]:
        """Wait until `wanted` deliveries have come and no more do.

        Return how many came, and when the last did, in seconds of time.perf_counter.
        """
        deadline = time.monotonic() + DRAIN
        count, last = self.count(), time.perf_counter()
        while count < wanted or time.perf_counter() - last < QUIET:
            if time.monotonic() > deadline:
                raise Failed(f"only {count} of {wanted} deliveries came")
            time.sleep(0.01)
            if (now := self.count()) != count:
                count, last = now, time.perf_counter()
        return count, last

    def mark(self) -> int:
        """Return a place in the log of deliveries, after all that have come."""
        time.sleep(0.2)  # longer than nginx keeps lines back
        return self._log.stat().st_size

    def arrivals(self, mark: int) -> list[Arrival]:
        """Return what has come since `mark`."""
        end = self.mark()
        with self._log.open("rb") as file:
            file.seek(mark)
            lines = file.read(end - mark).decode().splitlines()
        return [
            Arrival(float(at), sent, event) for at, sent, event in (line.split() for line in lines)
        ]


@contextlib.contextmanager
def target(folder: Path) -> Iterator[Target]:
    """Run a target in `folder`, beside the load."""
    folder.mkdir()
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, echo=_ECHO))
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    command = (nginx, "-c", str(config), "-e", str(folder / "error.log"))
    with running(LOAD_CORE, command, folder) as process:
        wait_for_port(port, process)
        taking = Target(port, folder / "deliveries")
        try:
            yield taking
        finally:
            taking.close()


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Give a URL at which nobody listens, on a port that nobody else can get."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"
