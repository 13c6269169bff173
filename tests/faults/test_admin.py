"""The admin listener under attack: by pages in a local browser, and by malformed requests."""

import asyncio

import pytest

from relay.app import Bounds
from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import DEADLINE
from tests.support.wire import exchange, statuses

HOST = b"Host: 127.0.0.1\r\nConnection: close\r\n"
NINES = "9" * 5000


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n"


def post(path: str, body: bytes, *lines: str) -> bytes:
    head = "".join(
        f"{line}\r\n" for line in (f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *lines)
    )
    return head.encode() + HOST + b"\r\n" + body


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    return await start_relay(site)


FOREIGN = {
    "another name": ["Host: evil.example"],
    "our address in another name": ["Host: 127.0.0.1.evil.example:80"],
    "our name before an at": ["Host: localhost@evil.example"],
    "a page elsewhere": ["Host: localhost", "Sec-Fetch-Site: cross-site"],
    "a page on another port": ["Host: localhost", "Sec-Fetch-Site: same-site"],
    "a page elsewhere in an old browser": ["Host: localhost", "Origin: http://evil.example"],
    "a page on another port in an old browser": [
        "Host: localhost:8081",
        "Origin: http://localhost:3000",
    ],
    "a page of nowhere": ["Host: localhost", "Origin: null"],
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_page_elsewhere_reaches_nothing(relay: Running, name: str) -> None:
    """DNS rebinding and forged requests by a browser: 401, nothing told and nothing done."""
    for line in (
        "POST /api/targets/hook/pause HTTP/1.1",
        "GET /api/events HTTP/1.1",
        "GET /metrics HTTP/1.1",
    ):
        head = "\r\n".join([line, *FOREIGN[name], "Connection: close", "Content-Length: 0", "", ""])
        assert statuses(await exchange(relay.admin, head.encode())) == [401]
    (target,) = (await relay.api("targets"))["targets"]
    assert not target["paused"]


async def test_own_page_in_a_browser_is_served(relay: Running) -> None:
    """The console's own requests name their origin too."""
    host = relay.admin.removeprefix("http://")
    head = f"POST /api/targets/hook/pause HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
    rest = "Sec-Fetch-Site: same-origin\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert statuses(await exchange(relay.admin, (head + rest).encode())) == [200]


BAD = {
    "limit beyond any number": (get(f"/api/events?limit={NINES}"), {400}),
    "limit below none": (get("/api/events?limit=-1"), {400}),
    "first year": (get("/api/events?since=0001-01-01T00:00:00%2B14:00&limit=1"), {200}),
    "last year": (get("/api/events?until=9999-12-31T23:59:59-14:00"), {200}),
    "no time": (get("/api/events?since=%00"), {400}),
    "query of any bytes": (get("/api/events?route=%ff%00%ed%a0%80&type=%0d%0a&target=%F0"), {200}),
    "id of any bytes": (get("/api/events/%ff%00%0a"), {404}),
    "last id there can be": (get("/api/events/evt_7fffffffffffffffffffffffff"), {404}),
    "before the last id": (get("/api/events?before=evt_7fffffffffffffffffffffffff"), {200}),
    "raw bytes in the path": (b"GET /api/\xff HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404}),
    "absolute form of elsewhere": (get("http://evil.example/api/events"), {401}),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", {400, 401, 404}),
    "no host at all": (b"GET /api/events HTTP/1.0\r\n\r\n", {401}),
    "wrong method": (b"DELETE /api/events HTTP/1.1\r\n" + HOST + b"\r\n", {405}),
    "unknown method": (b"BREW /api/events HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", {400}),
    "secret in a header that is none": (
        b"GET /api/events HTTP/1.1\r\n" + HOST + b"Authorization: Bearer hidden\x00\r\n\r\n",
        {400},
    ),
    "a header of 70 kB": (
        get("/healthz")[:-2] + b"X-A: " + b"hidden" * 12_000 + b"\r\n\r\n",
        {400},
    ),
    "target of any bytes": (post("/api/targets/a%0d%0ab/pause", b""), {404}),
    "body of two megabytes": (post("/api/replay", b'{"x": "' + b"a" * (2 << 20) + b'"}'), {413}),
    "two megabytes that only are said": (
        post("/api/replay", b"", "Content-Length: 2000000"),
        {400},
    ),
    "depth": (post("/api/replay", b"[" * 100_000), {400}),
    "long number": (post("/api/replay", b'{"id": ' + NINES.encode() + b"}"), {400}),
    "no JSON": (post("/api/replay", b"\xff"), {400}),
    "no object": (post("/api/replay", b"[1]"), {400}),
    "half a pair": (post("/api/replay", b'{"id": "\\ud800"}'), {400}),
    "unknown charset": (
        post("/api/replay", b"{}", "Content-Type: application/json; charset=nope"),
        {400},
    ),
    "damaged gzip": (post("/api/replay", b"{}", "Content-Encoding: gzip"), {400}),
    "unknown encoding": (post("/api/replay", b"{}", "Content-Encoding: br"), {400}),
    "deliveries of all sorts": (
        post("/api/replay", b'{"deliveries": [1, null, {"event": []}]}'),
        {422},
    ),
    "deliveries of no event": (
        post("/api/replay", b'{"deliveries": [{"event": "evt_1", "n": -1, "target": "\\u0000"}]}'),
        {200},
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_request_gets_a_problem(
    relay: Running, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One answer that says no more than it must, no traceback anywhere, and none of the bytes."""
    request, allowed = BAD[name]
    answers = await exchange(relay.admin, request)
    (status,) = statuses(answers)
    assert status in allowed, answers
    if status >= 400:
        assert b"application/problem+json" in answers
    shown = answers.decode() + "".join(capfd.readouterr())
    for word in ("Traceback", "hidden", "in trouble"):
        assert word not in shown


async def test_slow_headers_and_bodies_do_not_stay(site: Site, start_relay: StartRelay) -> None:
    """A body that does not come is given up; health is answered meanwhile."""
    site.configure({"log": {"file": "../var/log.jsonl"}})
    relay = await start_relay(site, Bounds(admin_body=0.2))
    slow = asyncio.create_task(
        exchange(relay.admin, post("/api/replay", b"")[:-2] + b"X: y\r\n\r\n")
    )
    head = b"POST /api/replay HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\n{"
    stuck = asyncio.create_task(exchange(relay.admin, head))
    assert statuses(await exchange(relay.admin, get("/healthz"))) == [200]
    async with asyncio.timeout(DEADLINE):
        assert statuses(await slow) == [400]
        assert statuses(await stuck) == [408]
