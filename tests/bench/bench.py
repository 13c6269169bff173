"""`make bench`: the relay against a stateless forwarder, alternating, in one run, each on one core.

Load comes from wrk, the target is nginx; both share the other core. The relay's figure is events *delivered* a
second: from the first request until the last accepted event has been answered with 2xx by the target.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
BODY = 1024
TOKEN = "bench-token"
SYSTEM_CORE, LOAD_CORE = "0", "1"

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 100m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 204; }} }}
}}
"""
CONFIG = """
listen: 127.0.0.1:{port}
admin: {{listen: 127.0.0.1:{admin}}}
state: state
store: sqlite:relay.db
routes: routes
targets:
  target: {{url: "{target}"}}
"""
ROUTE = """
verify: {scheme: token, secrets: ["env:BENCH_TOKEN"]}
forward: [{to: target}]
"""
LOAD = """
wrk.method = "POST"
wrk.body = '{"text":"' .. string.rep("x", %d) .. '"}'
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer %s"
"""


@dataclass(frozen=True)
class Round:
    """One system under load once: events a second end to end, accept latency, CPU seconds an event."""

    rate: float
    accepted_rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    rss_mib: float


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(core: str, *command: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on one core, and end it."""
    process = subprocess.Popen(
        ["taskset", "-c", core, *command],
        cwd=cwd,
        env={**os.environ, "BENCH_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(port: int) -> None:
    """Wait until something listens on `port`."""
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss(pid: int) -> float:
    """Return a process's peak resident memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return int(found[1]) / 1024


def load(url: str, script: Path, connections: int, seconds: float) -> tuple[int, float, float, float]:
    """Run wrk; return requests answered 2xx, seconds, p50 and p99 in milliseconds."""
    out = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-s", script, url],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"the load met errors:\n{out}")
    count = re.search(r"(\d+) requests in ([\d.]+)(m?s)", out)
    percentiles = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s))", out))
    assert count
    return int(count[1]), float(count[2]), _milliseconds(percentiles["50"]), _milliseconds(percentiles["99"])


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def delivered(admin: int) -> int:
    """Ask the relay how many deliveries its target has taken."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(
        r'relay_attempts_total\{outcome="delivered",reason="",target="target"\} ([\d.e+]+)', text
    )
    return int(float(found[1])) if found else 0


def forwarder_round(folder: Path, target: str, connections: int, seconds: float) -> Round:
    """Load the stateless forwarder."""
    port = free_port()
    with running(SYSTEM_CORE, sys.executable, str(HERE / "forwarder.py"), str(port), target) as process:
        wait_for(port)
        url = f"http://127.0.0.1:{port}/in/bench"
        load(url, folder / "load.lua", connections, 1)
        before = cpu_seconds(process.pid)
        count, took, p50, p99 = load(url, folder / "load.lua", connections, seconds)
        cpu = cpu_seconds(process.pid) - before
        return Round(count / took, count / took, p50, p99, cpu / count * 1e6, peak_rss(process.pid))


def relay_round(folder: Path, target: str, connections: int, seconds: float) -> Round:
    """Load a relay with a fresh store, and wait until all that it accepted is delivered."""
    home = Path(tempfile.mkdtemp(dir=folder))
    port, admin = free_port(), free_port()
    (home / "routes/bench").mkdir(parents=True)
    (home / "routes/bench/route.yaml").write_text(ROUTE)
    config = CONFIG.format(port=port, admin=admin, target=target)
    (home / "relay.yaml").write_text(config)
    command = Path(sys.executable).parent / "relay"
    with running(SYSTEM_CORE, str(command), "run", "--config", str(home / "relay.yaml")) as process:
        wait_for(admin)
        url = f"http://127.0.0.1:{port}/in/bench"
        warm, *_ = load(url, folder / "load.lua", connections, 1)
        _drain(admin, warm)
        base = delivered(admin)
        before = cpu_seconds(process.pid)
        count, took, p50, p99 = load(url, folder / "load.lua", connections, seconds)
        ended = time.perf_counter()
        # wrk drops the answers that are under way when its time is up: those events are accepted as well.
        _drain(admin, base + count)
        whole = took + time.perf_counter() - ended
        done = delivered(admin) - base
        cpu = cpu_seconds(process.pid) - before
        return Round(done / whole, count / took, p50, p99, cpu / done * 1e6, peak_rss(process.pid))


def _drain(admin: int, wanted: int) -> None:
    deadline = time.monotonic() + 120
    while delivered(admin) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {delivered(admin)} of {wanted} were delivered")
        time.sleep(0.05)


def main() -> None:
    """Run the rounds, print a table and the ratio, and write it all as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the system under test, one for load and target")
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None and not Path("/usr/sbin", tool).exists():
            raise SystemExit(f"{tool} is needed; install it")
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        folder = Path(name)
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        (folder / "load.lua").write_text(LOAD % (BODY - len('{"text":""}'), TOKEN))
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        with running(LOAD_CORE, nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")):
            wait_for(port)
            target = f"http://127.0.0.1:{port}/hook"
            forwarder: list[Round] = []
            relay: list[Round] = []
            for _ in range(options.rounds):
                forwarder.append(forwarder_round(folder, target, options.connections, options.seconds))
                relay.append(relay_round(folder, target, options.connections, options.seconds))
                print(f"  {forwarder[-1].rate:8.0f}  {relay[-1].rate:8.0f}", file=sys.stderr)
    ratios = [one.rate / other.rate for one, other in zip(relay, forwarder, strict=True)]
    columns = ("events/s", "accepted/s", "p50 ms", "p99 ms", "CPU µs/event", "peak RSS MiB")
    print(
        f"{BODY} byte bodies, {options.connections} connections, one core, medians of {options.rounds} rounds\n"
    )
    print(f"{'':10}" + "".join(f"{column:>14}" for column in columns))
    for name, rounds in (("forwarder", forwarder), ("relay", relay)):
        values = [statistics.median(list(asdict(one).values())[n] for one in rounds) for n in range(6)]
        print(f"{name:10}" + "".join(f"{value:14.2f}" for value in values))
    print(f"\nratio {statistics.median(ratios):.2f}  (from {min(ratios):.2f} to {max(ratios):.2f})")
    if options.json is not None:
        told = {
            "forwarder": [asdict(r) for r in forwarder],
            "relay": [asdict(r) for r in relay],
            "ratios": ratios,
        }
        options.json.write_text(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
