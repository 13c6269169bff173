"""The cost of an event, counted: calls, wake-ups, statements, transactions, bytes.

A limit that is passed is a regression. Counts don't depend on the machine, nor on how busy it is.
If a change makes an event cheaper, lower the limit.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict

from tests.support.client import Client
from tests.support.counted import CountedRelay, Counts, median
from tests.support.site import REPOSITORY, Site
from tests.support.target import Target

WARM = 5  # events before it counts: connections, caches, series
EVENTS = 30
TOKEN = {"scheme": "token", "secrets": ["secret"]}
BEARER = {"authorization": "Bearer secret"}
PAGE = 4096 + 24  # bytes in the write-ahead log: https://sqlite.org/fileformat2.html#walformat
BODY = json.dumps({"text": "x" * 1000}).encode()

# A twentieth above the counts: calls differ by a few, with how the bytes of a request come in.
PASS_THROUGH = Counts(calls=590, handles=12, statements=6, transactions=2, written=2 * PAGE)
GITHUB = Counts(calls=905, handles=20, statements=11, transactions=3, written=12 * PAGE)
DELIVERY_CALLS, DELIVERY_HANDLES = 153, 3.3
FILTER_CALLS = 3.2


async def cost(
    relay: CountedRelay, route: str, body: bytes, headers: Mapping[str, str], unique: str
) -> Counts:
    """Post events, each when the deliveries of the last have ended; return the cost of one."""
    client = Client(relay.public, relay.admin)
    found = []
    try:
        before = await relay.counts()
        for n in range(WARM + EVENTS):
            await client.accepted(route, body, {**headers, unique: f"bench-{n:04d}"})
            now = await relay.counts()
            found.append(now.since(before))
            before = now
    finally:
        await client.close()
    return median(found[WARM:])


def assert_within(found: Counts, limit: Counts) -> None:
    """Assert that no count is over its limit, and tell all that are."""
    limits = asdict(limit)
    over = {
        name: f"{value:g} > {limits[name]:g}"
        for name, value in asdict(found).items()
        if value > limits[name]
    }
    assert not over, f"an event has become more costly: {over}; all that was counted: {found}"


async def test_an_event_that_passes_through_costs_no_more(site: Site, target: Target) -> None:
    """1 KiB, verified by a token, to one target, unchanged."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"verify": TOKEN, "forward": [{"to": "hook"}]})
    async with CountedRelay(site) as relay:
        found = await cost(relay, "in", BODY, BEARER, "x-n")
    assert_within(found, PASS_THROUGH)


async def test_one_more_delivery_of_an_event_costs_no_more(site: Site, target: Target) -> None:
    """The difference between eleven targets and one, a tenth of it."""
    names = [f"hook-{n}" for n in range(11)]
    site.configure({name: {"url": target.url} for name in names})
    site.route("one", {"verify": TOKEN, "forward": [{"to": names[0]}]})
    site.route("all", {"verify": TOKEN, "forward": [{"to": name} for name in names]})
    async with CountedRelay(site) as relay:
        one = await cost(relay, "one", BODY, BEARER, "x-n")
        eleven = await cost(relay, "all", BODY, BEARER, "x-n")
    calls, handles = (eleven.calls - one.calls) / 10, (eleven.handles - one.handles) / 10
    assert calls <= DELIVERY_CALLS
    assert handles <= DELIVERY_HANDLES


async def test_a_github_push_costs_no_more(site: Site, target: Target) -> None:
    """The shipped route: HMAC, model, three filters; a delivery to a file, one transformed."""
    site.configure({"chat": {"url": target.url}, "inbox": {"file": "../var/inbox.jsonl"}})
    site.shipped_route("github")
    sample = json.loads((REPOSITORY / "routes/github/samples/push.json").read_text())
    body = json.dumps(sample["body"]).encode()
    async with CountedRelay(site) as relay:
        signature = hmac.new(site.secret("github").encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-github-event": "push", "x-hub-signature-256": f"sha256={signature}"}
        found = await cost(relay, "github", body, headers, "x-github-delivery")
    assert_within(found, GITHUB)


async def test_one_more_filter_that_says_no_costs_no_more(site: Site, target: Target) -> None:
    """The difference between 110 of them and ten, a hundredth of it, beside one that matches."""
    site.configure({"hook": {"url": target.url}})
    no = [{"to": "hook", "name": f"no-{n}", "when": f"body.n == {n}"} for n in range(110)]
    site.route("few", {"verify": TOKEN, "forward": [{"to": "hook"}, *no[:10]]})
    site.route("many", {"verify": TOKEN, "forward": [{"to": "hook"}, *no]})
    async with CountedRelay(site) as relay:
        few = await cost(relay, "few", b'{"n": -1}', BEARER, "x-n")
        many = await cost(relay, "many", b'{"n": -1}', BEARER, "x-n")
    assert (many.calls - few.calls) / 100 <= FILTER_CALLS
