"""The README's first event and first route, typed as they stand there."""

import re

import pytest

from tests.support.pages import blocks, files, read
from tests.support.process import StartProcess, run
from tests.support.site import Site

LISTENER = "http://127.0.0.1:8080"  # where the README's relay listens
TARGETS = {name: {"file": f"../var/{name}.jsonl"} for name in ("inbox", "chat")}


async def test_first_event_is_accepted(start_process: StartProcess, site: Site) -> None:
    """Signed and posted with nothing but openssl and curl, it owes both targets a delivery."""
    site.configure(TARGETS)
    site.shipped_route("hello")
    relay = await start_process(site)
    (script,) = (block.text for block in blocks(read("README.md")) if block.language == "sh")
    assert LISTENER in script
    ran = await run("-c", script.replace(LISTENER, relay.public), cwd=site.root, program="sh")
    assert re.search(r'^HTTP/1.1 202 .*\{"id":"evt_\w+","deliveries":2\}', ran.out, re.DOTALL), ran


@pytest.mark.parametrize("page", ["README.md", "docs/routes.md"])
async def test_first_route_passes_its_own_sample(page: str, site: Site) -> None:
    """Whoever writes the files as the page says sees `relay check` and `relay test` pass."""
    site.configure(TARGETS)
    for name, text in files(page).items():
        path = site.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for command in ("check", "test"):
        ran = await run(command, cwd=site.root)
        assert ran.code == 0, ran
    assert "1 passed" in ran.out
