"""The README's first event, typed as it stands there."""

import re

from tests.support.pages import blocks, read
from tests.support.process import StartProcess, run
from tests.support.site import Site

LISTENER = "http://127.0.0.1:8080"  # where the README's relay listens


async def test_first_event_is_accepted(start_process: StartProcess, site: Site) -> None:
    """Signed and posted with nothing but openssl and curl, it owes both targets a delivery."""
    site.configure({"inbox": {"file": "../var/inbox.jsonl"}, "chat": {"file": "../var/chat.jsonl"}})
    site.shipped_route("hello")
    relay = await start_process(site)
    (script,) = (block.text for block in blocks(read("README.md")) if block.language == "sh")
    assert LISTENER in script
    ran = await run("-c", script.replace(LISTENER, relay.public), cwd=site.root, program="sh")
    assert re.search(r'^HTTP/1.1 202 .*\{"id":"evt_\w+","deliveries":2\}', ran.out, re.DOTALL), ran
