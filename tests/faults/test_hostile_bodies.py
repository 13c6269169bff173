"""Bodies made to break, to mislead or to exhaust: each is answered, or passed on as it is."""

import gzip
import hashlib
import hmac
import json
import resource
import time
import zlib

import pytest

from tests.support.running import Running, StartRelay
from tests.support.site import Site
from tests.support.target import Target

KEY = "a-key-for-tests"
DEPTH = 100_000
EMPTY_MEMBER = gzip.compress(b"")
GROWTH = 48 << 10  # KiB by which the process may grow over a bomb that would unpack to 200 MB

NOT_JSON = {
    "empty": b"",
    "a space": b" ",
    "invalid UTF-8": b'{"a": "\xff"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "UTF-8 cut short": b'{"a": "\xe1\xba"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "lone high surrogate": rb'{"a": "\ud800"}',
    "lone low surrogate": rb'{"a": "\udfff"}',
    "surrogates the wrong way round": rb'{"a": "\udc00\ud800"}',
    "NUL byte": b'{"a": "\0"}',
    "NUL after the end": b'{"a": 1}\0',
    "duplicate keys": b'{"a": 1, "a": 2}',
    "duplicate keys, one escaped": rb'{"a": 1, "\u0061": 2}',
    "duplicate keys deep down": b'{"x": [{"a": 1, "a": 2}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "-1e999": b'{"a": -1e999}',
    "integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "arrays 100,000 deep": b"[" * DEPTH,
    "arrays 100,000 deep, closed": b"[" * DEPTH + b"]" * DEPTH,
    "objects 100,000 deep": b'{"a":' * DEPTH,
    "two values": b'{"a": 1}{"b": 2}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1} // so',
    "trailing comma": b'{"a": 1,}',
    "hexadecimal": b'{"a": 0x10}',
    "leading zero": b'{"a": 010}',
}
VALID = {
    "a number with 5,000 decimals": b'{"a": 0.' + b"1" * 5000 + b"}",
    "50,000 keys": json.dumps({f"k{n}": n for n in range(50_000)}).encode(),
    "a text of a million backslashes": b'{"a": "' + b"\\\\" * 500_000 + b'"}',
    "NUL, escaped": rb'{"a": "\u0000"}',
    "noncharacters": '{"a": "\ufffe\uffff"}'.encode(),
}
ENCODED = {
    "gzip bomb": ("gzip", gzip.compress(bytes(200_000_000), 1), 413),
    "20,000 empty members": ("gzip", EMPTY_MEMBER * 20_000, 400),
    "two members": ("gzip", gzip.compress(b'{"a"') + gzip.compress(b": 1}"), 400),
    "damaged gzip": ("gzip", gzip.compress(b'{"a": 1}')[:-9] + b"\0" * 9, 400),
    "gzip cut short": ("gzip", gzip.compress(b'{"a": 1}')[:-4], 400),
    "bytes after the end": ("gzip", gzip.compress(b'{"a": 1}') + b"more", 400),
    "no gzip at all": ("gzip", b'{"a": 1}', 400),
    "gzip in gzip": ("gzip, gzip", gzip.compress(gzip.compress(b'{"a": 1}')), 415),
    "unknown encoding": ("br", b'{"a": 1}', 415),
    "nonsense as encoding": ("\x22", b'{"a": 1}', 415),
    "deflate bomb": ("deflate", zlib.compress(bytes(200_000_000), 1), 413),
}


@pytest.fixture
async def relay(site: Site, start_relay: StartRelay, target: Target) -> Running:
    """Return a relay with routes that decode, keep invalid bodies, pass on, and verify."""
    site.configure({"hook": {"url": target.url}})
    checked = {
        "payload": {"schema": "s.json"},
        "forward": [{"to": "hook"}],
        "limits": {"body": "4MiB"},
    }
    kept = {**checked, "payload": {"schema": "s.json", "invalid": "quarantine"}}
    schema = {"s.json": '{"type": "object"}'}
    site.route("checked", checked, schema)
    site.route("kept", kept, schema)
    site.route("plain", {"forward": [{"to": "hook"}], "limits": {"body": "4MiB"}})
    site.route("signed", {**checked, "verify": {"scheme": "github", "secrets": [KEY]}}, schema)
    return await start_relay(site)


@pytest.mark.fault(22)
@pytest.mark.fault(23)
@pytest.mark.parametrize("route", ["checked", "kept"])
@pytest.mark.parametrize("name", NOT_JSON)
async def test_what_is_not_strictly_json_is_answered_400(
    relay: Running, route: str, name: str
) -> None:
    """A route that reads JSON stores nothing that two parsers could read differently."""
    answer = await relay.post(route, NOT_JSON[name])
    assert (answer.status, answer.json["reason"]) == (400, "malformed"), answer
    assert await relay.events() == []


@pytest.mark.fault(22)
@pytest.mark.fault(23)
@pytest.mark.parametrize("name", [*NOT_JSON, *VALID])
async def test_route_that_does_not_look_inside_passes_the_very_bytes_on(
    relay: Running, target: Target, name: str
) -> None:
    """Without a model, an expression or a transform a body is bytes."""
    body = (NOT_JSON | VALID)[name]
    await relay.accepted("plain", body)
    (request,) = await target.wait_for(1)
    assert request.body == body


@pytest.mark.fault(23)
@pytest.mark.parametrize("name", VALID)
async def test_large_but_valid_json_is_taken(relay: Running, target: Target, name: str) -> None:
    """JSON that the grammar allows is accepted within the deadline, and passed on unchanged."""
    await relay.accepted("checked", VALID[name])
    (request,) = await target.wait_for(1)
    assert request.body == VALID[name]


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", ENCODED)
async def test_hostile_encoding_is_refused_at_little_cost(relay: Running, name: str) -> None:
    """Bombs, chains of members, damaged and unknown encodings: refused at a bounded cost."""
    encoding, body, status = ENCODED[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    answer = await relay.post("checked", body, {"content-encoding": encoding})
    assert answer.status == status, answer
    assert (
        time.process_time() - began < 5
    )  # a chain of members, read one by one, would take far longer
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH
    assert await relay.events() == []


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", ENCODED)
async def test_encoding_means_nothing_to_a_route_that_does_not_look_inside(
    relay: Running, target: Target, name: str
) -> None:
    """The encoded bytes and their content-encoding reach the target as they came."""
    encoding, body, _ = ENCODED[name]
    await relay.accepted("plain", body, {"content-encoding": encoding})
    (request,) = await target.wait_for(1)
    assert (request.body, request.headers["content-encoding"]) == (body, encoding)


@pytest.mark.fault(21)
async def test_signature_is_over_the_bytes_that_were_sent(relay: Running, target: Target) -> None:
    """A gzip body verifies over its compressed bytes, not over what it unpacks to."""
    plain = b'{"a": 1}'
    packed = gzip.compress(plain)
    encoded = {"content-encoding": "gzip"}
    await relay.accepted("signed", packed, encoded | _signature(packed))
    answer = await relay.post("signed", packed, encoded | _signature(plain))
    assert answer.status == 401
    (request,) = await target.wait_for(1)
    assert request.body == packed
    assert request.headers["x-hub-signature-256"] == _signature(packed)["x-hub-signature-256"]


@pytest.mark.fault(19)
async def test_what_comes_after_the_announced_length_is_never_part_of_the_event(
    relay: Running, target: Target
) -> None:
    """The rest is read as another request, which is none: 400, with or after the first."""
    head = b"POST /in/plain HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
    answer = await relay.raw(head + b'{}{"more": 1}')
    assert answer.status in {202, 400}
    assert len(await relay.events()) == (answer.status == 202)
    await relay.accepted("plain", b"{}")
    requests = await target.wait_for(1 + (answer.status == 202))
    assert {request.body for request in requests} == {b"{}"}


@pytest.mark.fault(19)
async def test_unknown_expectation_is_no_reason_to_refuse(relay: Running) -> None:
    """Only 100-continue is defined (RFC 9110 §10.1.1); anything else is ignored."""
    answer = await relay.raw(
        b"POST /in/plain HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert answer.status == 202


def _signature(body: bytes) -> dict[str, str]:
    return {
        "x-hub-signature-256": "sha256=" + hmac.digest(KEY.encode(), body, hashlib.sha256).hex()
    }
