"""All of GitHub's published example payloads, signed by GitHub's own library, through the relay."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target

PACKAGES = ("@octokit/webhooks-examples@7.6.1", "@octokit/webhooks-methods@6.0.0")
COUNT = 329
SECRET = "It's a Secret to Everybody"
SIGNER = Path(__file__).with_name("sign_github.mjs")


@dataclass(frozen=True, slots=True)
class Example:
    """One payload with the headers that GitHub sends along."""

    number: int
    event: str
    body: bytes
    signature: str

    @property
    def headers(self) -> Mapping[str, str]:
        """As in GitHub's documentation of webhook deliveries."""
        return {
            "user-agent": "GitHub-Hookshot/044aadd",
            "x-github-delivery": f"72d3162e-cc78-11e3-81ab-{self.number:012x}",
            "x-github-event": self.event,
            "x-hub-signature-256": self.signature,
        }


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the signing program, beside the packages that it needs."""
    folder = tmp_path_factory.mktemp("npm")
    command = [
        "npm",
        "install",
        "--prefix",
        str(folder),
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]
    done = subprocess.run([*command, *PACKAGES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.copy(SIGNER, folder)
    return folder / SIGNER.name


def _examples(signer: Path, secret: str) -> list[Example]:
    done = subprocess.run(["node", str(signer), secret], capture_output=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == COUNT
    return [
        Example(n, one["event"], one["body"].encode(), one["signature"])
        for n, one in enumerate(found)
    ]


async def test_all_examples_reach_a_url_and_a_file_byte_for_byte(
    site: Site, start_relay: StartRelay, target: Target, signer: Path
) -> None:
    """329 times 202; both targets get the very bytes, once each, under the id of the answer."""
    examples = _examples(signer, SECRET)
    site.configure({"hook": {"url": target.url}, "file": {"file": "../var/all.jsonl"}})
    verify = {"scheme": "github", "secrets": [SECRET]}
    site.route("github", {"verify": verify, "forward": [{"to": "hook"}, {"to": "file"}]})
    relay = await start_relay(site)
    posts = (relay.accepted("github", example.body, example.headers) for example in examples)
    sent = dict(zip(await asyncio.gather(*posts), examples, strict=True))
    assert len(sent) == COUNT
    for name in ("hook", "file"):
        await relay.until_value(0, "relay_pending_deliveries", target=name)

    assert {request.id: request.body for request in target.requests} == {
        event_id: example.body for event_id, example in sent.items()
    }
    assert len(target.requests) == COUNT
    for request in target.requests:
        example = sent[request.id]
        assert request.headers["x-github-event"] == example.event
        assert (
            request.headers["x-hub-signature-256"] == example.signature
        )  # a receiver may verify again

    lines = [json.loads(line) for line in (site.var / "all.jsonl").read_bytes().splitlines()]
    assert len(lines) == COUNT
    assert {line["id"]: line["body"].encode() for line in lines} == {
        event_id: example.body for event_id, example in sent.items()
    }
    assert {line["id"]: line["type"] for line in lines} == {
        event_id: example.event for event_id, example in sent.items()
    }


async def test_any_example_with_one_byte_changed_is_answered_401(
    site: Site, start_relay: StartRelay, target: Target, signer: Path
) -> None:
    """329 times 401, each with the byte at another place; nothing is stored or sent."""
    site.configure({"hook": {"url": target.url}})
    verify = {"scheme": "github", "secrets": [SECRET]}
    site.route("github", {"verify": verify, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)

    async def status(example: Example) -> int:
        place = example.number * 7919 % len(example.body)
        changed = bytearray(example.body)
        changed[place] ^= 1
        return (await relay.post("github", bytes(changed), example.headers)).status

    examples = _examples(signer, SECRET)
    assert await asyncio.gather(*(status(example) for example in examples)) == [401] * COUNT
    labels = {"route": "github", "outcome": "rejected", "reason": "not_verified"}
    assert await relay.value("relay_requests_total", **labels) == COUNT
    assert await relay.events() == []
    assert target.requests == []


async def test_the_shipped_route_accepts_all_examples(
    site: Site, start_relay: StartRelay, target: Target, signer: Path
) -> None:
    """routes/github takes every event of GitHub's; nothing that it owes dies.

    Pushes become messages.
    """
    site.configure({"inbox": {"file": "../var/inbox.jsonl"}, "chat": {"url": target.url}})
    site.shipped_route("github")
    relay = await start_relay(site)
    examples = _examples(signer, site.secret("github"))
    answers = await asyncio.gather(
        *(relay.post("github", one.body, one.headers) for one in examples)
    )
    refused = {
        (example.number, example.event, answer.body)
        for example, answer in zip(examples, answers, strict=True)
        if answer.status != 202
    }
    assert refused == set()
    for name in ("inbox", "chat"):
        await relay.until_value(0, "relay_pending_deliveries", target=name)
    assert await relay.dead() == []
    lines = (site.var / "inbox.jsonl").read_bytes().splitlines()
    assert sorted(json.loads(line)["body"].encode() for line in lines) == sorted(
        one.body for one in examples
    )
    assert {example.event for example in examples} > {"push", "issues"}
    wanted = sum(example.event in {"push", "issues"} for example in examples)
    dropped = await relay.value("relay_attempts_total", target="chat", outcome="dropped", reason="")
    assert 0 < len(target.requests) == wanted - dropped
    for request in target.requests:
        assert json.loads(request.body)["text"]
