"""Requests that two servers could read as different ones: refused, closed, counted, unused."""

import pytest

from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.wire import exchange, statuses

pytestmark = pytest.mark.fault(26)

START = b"POST /in/in HTTP/1.1\r\nHost: relay\r\n"
BODY = b'{"a":1}'
# What a front server might take for this request's body, and the relay for the next request.
HIDDEN = b"POST /in/in HTTP/1.1\r\nHost: relay\r\nContent-Length: 13\r\n\r\n" + b'{"hidden":1}\n'
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def framed(*lines: bytes, body: bytes = BODY) -> bytes:
    return START + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


SMUGGLING = {
    "CL.TE": framed(
        b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN
    ),
    "TE.CL": framed(
        b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + HIDDEN
    ),
    "two lengths": framed(b"Content-Length: 7", b"Content-Length: 80", body=BODY + HIDDEN),
    "the same length twice": framed(b"Content-Length: 7", b"Content-Length: 7", body=BODY + HIDDEN),
    "a list of lengths": framed(b"Content-Length: 7, 7", body=BODY + HIDDEN),
    "length with a plus": framed(b"Content-Length: +7"),
    "length with a minus": framed(b"Content-Length: -7"),
    "length with an underscore": framed(b"Content-Length: 0_7"),
    "length in hex": framed(b"Content-Length: 0x7"),
    "length of no digits": framed(b"Content-Length: seven"),
    "empty length": framed(b"Content-Length:"),
    "length beyond 64 bits": framed(b"Content-Length: " + b"9" * 40),
    "unknown coding": framed(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunked is not last": framed(
        b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN
    ),
    "chunked twice": framed(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN
    ),
    "coding with a vertical tab": framed(
        b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + HIDDEN
    ),
    "folded coding": framed(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n" + HIDDEN),
    "space before the colon": framed(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN),
    "folded header": framed(b"X-A: b\r\n c", b"Content-Length: 7"),
    "bare line feed": START + b"X-A: b\nContent-Length: 7\r\n\r\n" + BODY,
    "bare carriage return": framed(b"X-A: b\rContent-Length: 70", b"Content-Length: 7"),
    "NUL in a header": framed(b"X-A: b\0c", b"Content-Length: 7"),
    "control character in a name": framed(b"X\x01A: b", b"Content-Length: 7"),
    "name that is not ASCII": framed("X-Đ: b".encode(), b"Content-Length: 7"),
    "space in a name": framed(b"X A: b", b"Content-Length: 7"),
    "no colon": framed(b"X-A", b"Content-Length: 7"),
    "no host": b"POST /in/in HTTP/1.1\r\nContent-Length: 7\r\n\r\n" + BODY,
    "two hosts": framed(b"Host: other", b"Content-Length: 7"),
    "chunk size with a plus": START + CHUNKED + b"\r\n+7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with a minus": START + CHUNKED + b"\r\n-7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size in 0x": START + CHUNKED + b"\r\n0x7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with an underscore": START + CHUNKED + b"\r\n0_7\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": START
    + CHUNKED
    + b"\r\n"
    + b"f" * 17
    + b"\r\n"
    + BODY
    + b"\r\n0\r\n\r\n",
    "empty chunk size": START + CHUNKED + b"\r\n\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk longer than its size": START + CHUNKED + b"\r\n3\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk without its line end": START + CHUNKED + b"\r\n7\r\n" + BODY + b"0\r\n\r\n",
    "chunk ended by a line feed": START + CHUNKED + b"\r\n7\n" + BODY + b"\n0\n\n",
    "too many headers": START + b"X-A: b\r\n" * 200 + b"\r\n",
    "a header of 70 kB": framed(b"X-A: " + b"b" * 70_000, b"Content-Length: 7"),
    "a name of 70 kB": framed(b"X" * 70_000 + b": b", b"Content-Length: 7"),
    "headers of a megabyte": START + (b"X-A: " + b"b" * 8000 + b"\r\n") * 125 + b"\r\n",
    "a path of 70 kB": b"POST /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: relay\r\n\r\n",
    "tab in the request line": b"POST\t/in/in\tHTTP/1.1\r\nHost: relay\r\nContent-Length: 7\r\n\r\n"
    + BODY,
    "HTTP/0.9": b"POST /in/in\r\n",
    "HTTP/1.9": b"POST /in/in HTTP/1.9\r\nHost: relay\r\nContent-Length: 7\r\n\r\n" + BODY,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "only noise": bytes(range(256)),
}
# Each is read in one way only, so that nothing can hide in it; it asks for something that is not
# there, or not allowed.
HARMLESS = {
    "CONNECT": (
        b"CONNECT relay:443 HTTP/1.1\r\nHost: relay:443\r\nConnection: close\r\n\r\n",
        {400, 404, 405},
    ),
    "TRACE": (b"TRACE /in/in HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n", {405}),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n", {404}),
    "absolute form": (
        b"POST http://other/in/in HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n"
        b"Content-Length: 7\r\n\r\n" + BODY,
        {404},
    ),
    "dots": (
        (
            b"POST /in/../in/in HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n"
            b"Content-Length: 0\r\n\r\n"
        ),
        {404},
    ),
    "encoded slash": (
        b"POST /in%2Fin HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        {404},
    ),
    "fragment": (
        b"POST /in/in#x HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        {404, 400},
    ),
    "bytes in the path": (
        b"POST /\xff\xfe HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        {404, 400},
    ),
    "percent without digits": (
        b"POST /in/%zz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        {404},
    ),
}


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    return await start_relay(site)


@pytest.mark.parametrize("name", SMUGGLING)
async def test_ambiguous_request_is_refused_and_its_connection_closed(
    relay: Running, target: Target, name: str
) -> None:
    """One 400 at most, the connection is closed, and neither it nor what hides in it is stored."""
    answers = await exchange(relay.public, SMUGGLING[name], HIDDEN)
    assert statuses(answers) == [400], answers
    assert b"application/problem+json" in answers
    for word in (b"Python", b"aiohttp", b"Traceback", b"hidden"):
        assert word not in answers
    assert await relay.events() == []
    assert target.requests == []
    refused = {
        labels: n
        for (series, labels), n in (await relay.series()).items()
        if series == "relay_requests_total" and n
    }
    assert sum(refused.values()) == 1, refused
    assert {dict(labels)["reason"] for labels in refused} == {"malformed"}


@pytest.mark.parametrize("name", HARMLESS)
async def test_odd_but_clear_request_gets_its_answer(relay: Running, name: str) -> None:
    """A request that can be read in one way only gets its own answer, and stores nothing."""
    request, allowed = HARMLESS[name]
    answers = await exchange(relay.public, request)
    assert set(statuses(answers)) <= allowed, answers
    assert len(statuses(answers)) == 1
    assert await relay.events() == []


async def test_spaces_between_the_words_of_the_request_line_are_one(relay: Running) -> None:
    """RFC 9112 §3 lets a server be lenient here; what follows is framed all the same."""
    line = (
        b"POST  /in/in  HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: 7\r\n\r\n"
    )
    assert statuses(await exchange(relay.public, line + BODY)) == [202]


async def test_pipelined_requests_are_answered_in_their_order(relay: Running) -> None:
    """Two whole requests in one packet are two events: that is no smuggling."""
    one = START + b"Content-Length: 7\r\n"
    answers = await exchange(
        relay.public, one + b"\r\n" + BODY + one + b"Connection: close\r\n\r\n" + BODY
    )
    assert statuses(answers) == [202, 202]
    assert len(await relay.events()) == 2


@pytest.mark.fault(25)
async def test_framing_headers_of_the_sender_never_reach_the_target(
    relay: Running, target: Target
) -> None:
    """Hop-by-hop, framing, credential, listed headers and the relay's own: none goes along."""
    lines = (
        b"Connection: close, X-Listed", b"X-Listed: 1", b"Keep-Alive: timeout=5", b"TE: trailers",
        b"Trailer: X-T", b"Upgrade: h2c", b"Proxy-Authorization: Basic eA==",
        b"Proxy-Connection: close", b"Proxy-Anything: 1",
        b"Authorization: Bearer abc", b"Cookie: a=b", b"Content-Length: 7", b"Webhook-Id: forged",
        b"Webhook-Signature: v1,forged", b"Relay-Attempt: 99", b"X-Kept: yes",
        b"Content-Type: application/json",
    )  # fmt: skip
    answers = await exchange(relay.public, framed(*lines))
    assert statuses(answers) == [202]
    (request,) = await target.wait_for(1)
    assert request.body == BODY
    assert request.headers["x-kept"] == "yes"
    assert request.headers["content-length"] == "7"
    assert request.headers["relay-attempt"] == "1"
    assert request.headers["webhook-id"].startswith("evt_")
    gone = {
        "x-listed", "keep-alive", "te", "trailer", "upgrade", "proxy-authorization",
        "proxy-connection", "proxy-anything", "authorization", "cookie", "webhook-signature",
        "transfer-encoding", "expect",
    }  # fmt: skip
    assert gone & request.headers.keys() == set()


async def test_head_is_answered_without_a_body_and_the_connection_goes_on(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A body would be read as the next answer (RFC 9110 §9.3.2); HTTP/1.0 ends with its own."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    head = b"HEAD /in/in HTTP/1.1\r\nhost: x\r\n\r\n"
    last = (
        b"POST /in/in HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}"
    )
    answers = await exchange(relay.public, head, head, last)
    assert statuses(answers) == [405, 405, 202]
    first = answers.partition(b"\r\n\r\n")[2]
    assert first.startswith(b"HTTP/1.1 405")
    assert b"connection: close" in answers.rpartition(b"HTTP/1.1 202")[2]
