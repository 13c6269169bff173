"""A real Alertmanager, whose notifications go through the shipped route to a chat."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.program import listening
from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target

CONFIG = """
route:
  receiver: relay
  group_by: [alertname]
  group_wait: 10ms
  group_interval: 100ms
  repeat_interval: 1h
receivers:
  - name: relay
    webhook_configs:
      - url: {url}
        http_config: {{authorization: {{credentials_file: token}}}}
"""


async def test_an_alert_becomes_a_message_and_its_end_another(
    site: Site, start_relay: StartRelay, target: Target, tmp_path: Path
) -> None:
    """Alertmanager's own webhook is verified, validated and transformed.

    The inbox gets its body unchanged.
    """
    site.configure({"inbox": {"file": "../var/inbox.jsonl"}, "chat": {"url": target.url}})
    site.shipped_route("alertmanager")
    relay = await start_relay(site)
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    (folder / "token").write_text(site.secret("alertmanager"))
    (folder / "config.yml").write_text(CONFIG.format(url=f"{relay.public}/in/alertmanager"))
    command = (
        "prometheus-alertmanager",
        "--config.file=config.yml",
        "--storage.path=data",
        "--web.listen-address=127.0.0.1:0",
        "--web.external-url=http://alertmanager.example/",
        "--cluster.listen-address=",
    )
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db-1"},
        "annotations": {"summary": "db-1: ổ đĩa đầy"},
        "startsAt": (now - timedelta(hours=1)).isoformat(),
    }
    headers = {"content-type": "application/json"}
    async with listening(*command, cwd=folder) as url:
        for count, posted in enumerate((alert, {**alert, "endsAt": now.isoformat()}), 1):
            body = json.dumps([posted]).encode()
            told = await relay.request("POST", f"{url}/api/v2/alerts", body, headers)
            assert told.status == 200, told
            await target.wait_for(count)
    firing, resolved = target.requests
    assert firing.headers["content-type"] == "application/json"
    for request, status in ((firing, "FIRING"), (resolved, "RESOLVED")):
        text = json.loads(request.body)["text"]
        for part in (status, "DiskFull", "critical", "db-1: ổ đĩa đầy"):
            assert part in text
    await relay.until_value(0, "relay_pending_deliveries", target="inbox")
    lines = [json.loads(line) for line in (site.var / "inbox.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["firing", "resolved"]
    kept = json.loads(lines[0]["body"])["alerts"][0]
    assert kept["labels"] == alert["labels"]
    assert site.secret("alertmanager") not in (site.var / "inbox.jsonl").read_text()
    assert all(
        site.secret("alertmanager") not in str(request.headers) for request in target.requests
    )
