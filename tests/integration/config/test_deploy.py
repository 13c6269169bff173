"""The programs that the files of `deploy/` are for take them."""

import re
import subprocess

from tests.support.running import StartRelay
from tests.support.site import REPOSITORY, Site

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
ALERTS = REPOSITORY / "tests" / "data" / "alerts" / "cooperation.yml"


def test_prometheus_takes_the_shipped_configuration_and_its_alerts() -> None:
    """`promtool` has no complaint about either file."""
    done = subprocess.run(
        ["promtool", "check", "config", str(PROMETHEUS / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("7 rules found") == 2


def test_alerts_of_the_cooperation_programmes_fire_when_they_should() -> None:
    """`promtool` plays series to the alerts: each fires once its follow-up is late, not else."""
    done = subprocess.run(
        ["promtool", "test", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rules = (PROMETHEUS / "cooperation.rules.yml").read_text()
    tested = set(re.findall(r"alertname: (\w+)", ALERTS.read_text()))
    assert tested == set(re.findall(r"- alert: (\w+)", rules))


async def test_alerts_name_series_that_the_relay_has(site: Site, start_relay: StartRelay) -> None:
    """An alert on a series that does not exist would never fire."""
    site.configure({"inbox": {"file": "inbox.jsonl"}})
    site.route(
        "in", {"forward": [{"to": "inbox"}], "metrics": [{"name": "seen_total", "type": "counter"}]}
    )
    relay = await start_relay(site)
    known = {name for name, _ in await relay.series()}
    named = set(re.findall(r"\brelay_\w+", (PROMETHEUS / "relay.rules.yml").read_text()))
    assert len(named) >= 6
    assert named <= known


def test_unit_starts_what_make_install_makes() -> None:
    """The systemd unit runs the command that the project defines, with options that it has."""
    unit = (REPOSITORY / "deploy" / "systemd" / "relay.service").read_text()
    command = re.search(
        r"^ExecStart=\S+/(\.venv/bin/relay run) --config (\S+)$", unit, re.MULTILINE
    )
    assert command
    assert (REPOSITORY / command[2].removeprefix("/opt/relay/")).is_file()
