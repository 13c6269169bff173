"""Headers of any bytes, repeated, or listed by Connection: the target gets those that may go."""

import pytest

from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.wire import exchange, statuses

pytestmark = pytest.mark.fault(25)

FORWARDS = {
    "unchanged": {"to": "hook"},
    "header": {"to": "hook", "headers": {"x-more": "headers['x-a']"}},
    "when": {"to": "hook", "when": "headers['x-a'] != '' && 'x-a' in headers"},
    "body": {"to": "hook", "body": "headers['x-a']", "headers": {"x-a": "headers['x-a']"}},
}


async def _post(relay: Running, route: str, *lines: bytes) -> list[int]:
    head = (
        f"POST /in/{route}?q=%ff%00 HTTP/1.1".encode(),
        b"Host: relay",
        b"Content-Length: 2",
        *lines,
    )
    return statuses(
        await exchange(relay.public, b"\r\n".join([*head, b"Connection: close", b"", b"{}"]))
    )


@pytest.mark.parametrize("route", FORWARDS)
@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("à la carte".encode(), "à la carte"),
        (b"caf\xe9", "café"),
        (b"\xff\xfe", "ÿþ"),
        (b"\xed\xa0\x80", "í\xa0\x80"),
        (b"a\tb", "a\tb"),
        (b"  a b ", "a b"),
    ],
    ids=["utf-8", "latin-1", "neither", "half-a-pair", "tab", "spaces"],
)
async def test_value_of_any_bytes_arrives_as_text(
    site: Site, start_relay: StartRelay, target: Target, route: str, sent: bytes, arrives: str
) -> None:
    """Bytes that are no UTF-8 are read as ISO-8859-1, by expressions and targets alike."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [FORWARDS[route]]})
    relay = await start_relay(site)
    assert await _post(relay, "in", b"X-A: " + sent) == [202]
    (got,) = await target.wait_for(1)
    assert got.headers["x-a"] == arrives
    if route == "header":
        assert got.headers["x-more"] == arrives
    if route == "body":
        assert got.body.decode() == arrives


async def test_repeated_header_arrives_once_with_all_its_values(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """RFC 9110 §5.3: joined by commas, in their order."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    assert await _post(relay, "in", b"X-A: 1", b"x-a: 2", b"X-A: 3") == [202]
    (got,) = await target.wait_for(1)
    assert got.headers["x-a"] == "1, 2, 3"


@pytest.mark.parametrize("changed", [False, True])
async def test_what_connection_lists_ends_here(
    site: Site, start_relay: StartRelay, target: Target, *, changed: bool
) -> None:
    """RFC 9110 §7.6.1: in any case, over several lines, with empty items or added headers."""
    site.configure({"hook": {"url": target.url}})
    more = {"headers": {"x-more": "'1'"}} if changed else {}
    site.route("in", {"forward": [{"to": "hook", **more}]})
    relay = await start_relay(site)
    listed = (
        b"Connection: X-A,, x-B ,",
        b"CONNECTION: X-c",
        b"X-A: 1",
        b"X-B: 2",
        b"X-C: 3",
        b"X-D: 4",
    )
    assert await _post(relay, "in", *listed) == [202]
    (got,) = await target.wait_for(1)
    assert {name for name in got.headers if name.startswith("x-")} == {"x-d"} | set(
        more and {"x-more"}
    )


@pytest.mark.parametrize("expression", [r"'a\r\nb: c'", r"'a\u0000b'", r"'a\u007f'", "body.bad"])
async def test_expression_can_write_no_second_header(
    site: Site, start_relay: StartRelay, target: Target, expression: str
) -> None:
    """Control characters in a header of an expression: dead, unsent; the next delivery goes."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook", "headers": {"x-made": expression}}]})
    site.route("good", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    dead = await relay.fate(
        await relay.accepted("in", {"bad": "x\r\nTransfer-Encoding: chunked"}), "hook"
    )
    assert (dead["state"], dead["reason"]) == ("dead", "transform_failed")
    await relay.accepted("good", {})
    await target.wait_for(1)
    assert len(target.requests) == 1
