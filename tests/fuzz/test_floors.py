"""Any bytes at all: the floors raise only documented errors, and the wire never answers 500.

The floors are those of decoding and verification.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from relay.config.source import Source
from tests.fuzz import floors
from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.wire import exchange, statuses

BIG = 2**63
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers()
    | st.sampled_from([BIG, -BIG - 1, 10**400, "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
raw = st.one_of(
    st.binary(max_size=400),
    values.map(lambda value: json.dumps(value).encode()),
    values.map(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
    st.binary(max_size=400).map(gzip.compress),
    st.lists(st.binary(max_size=30), max_size=20).map(b"\0".join),
)


@pytest.mark.fault(22)
@pytest.mark.fault(23)
@pytest.mark.parametrize("floor", floors.FLOORS)
@given(data=raw)
@settings(max_examples=200, deadline=None)
@example(data=b"[" * 100_000)
@example(data=b'{"a": "\\u0000", "b": 9223372036854775808, "\\u0000": [18446744073709551616]}')
@example(data=b"whsec_\xff\0" * 20)
@example(data=b"v1,\xc3\xa9 v1,\xff\0" + b"\xd9\xa1\xd9\xa2\0" * 20)
def test_any_bytes_are_taken_or_refused(floor: Callable[[bytes], None], data: bytes) -> None:
    """Nothing but a value, or the refusal that is declared."""
    floor(data)


@pytest.mark.fault(27)
@given(
    data=st.binary(max_size=200)
    | st.text(alphabet="ab:-[]{}&*!|>?%@`'\"#, \n\t01.~<=_", max_size=120).map(str.encode)
)
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(data=b"[" * 5000)
@example(data=b"&a [*a]")
@example(data=b"a: 2001-13-45")
@example(data=b"a: !!int x")
@example(data=b'a: "\\ud800"')
def test_any_file_is_data_or_problems(tmp_path: Path, data: bytes) -> None:
    """Whatever stands in a configuration file, reading it raises nothing."""
    file = tmp_path / "any.yaml"

    def source(content: bytes) -> Source:
        file.write_bytes(content)
        return Source(file, "any.yaml")

    floors.config(data, source)


lines = st.sampled_from(
    [
        b"Host: relay", b"Content-Length: 2", b"Content-Length: 99999999999", b"Content-Length: -1",
        b"Expect: 100-continue",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
        b"Content-Encoding: gzip", b"Connection: upgrade",
        b"Upgrade: websocket", b"Content-Type: application/json; charset=x",
        b"Content-Type: multipart/form-data",
        b"X-A: \xff\xfe", b"X-A:", b": x", b"X A: b", b" folded", b"Authorization: Bearer \xff",
        b"Cookie: \x01", b"\0",
    ]
) | st.binary(max_size=40)  # fmt: skip
targets = st.sampled_from(
    [
        b"/in/json",
        b"/in/raw",
        b"/in/signed",
        b"/",
        b"*",
        b"/in/json?%ff=%00&a=\xff",
        b"http://x/in/raw",
    ]
)
requests = st.builds(
    lambda method, target, version, heads, body: b"\r\n".join(
        [b" ".join([method, target, version]), *heads, b"", body]
    ),
    st.sampled_from([b"POST", b"GET", b"post", b"BREW", b"\xff"]),
    targets | st.binary(max_size=40),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"HTTP/1.1 x"]),
    st.lists(lines, max_size=8).map(lambda found: [b"Host: relay", *found])
    | st.lists(lines, max_size=8),
    raw,
)


@pytest.mark.fault(26)
async def test_any_bytes_on_the_wire_are_answered_without_a_fault(
    site: Site, start_relay: StartRelay, target: Target, capfd: pytest.CaptureFixture[str]
) -> None:
    """No bytes on the wire cause a 5xx or a traceback.

    The relay takes the next good request, and every event that it took is delivered.
    """
    site.configure({"hook": {"url": target.url}}, limits={"body_timeout": "100ms"})
    site.route("raw", {"forward": [{"to": "hook"}]})
    seen = {
        "to": "hook",
        "body": "{'b': body, 'h': headers, 'q': query}",
        "when": "size(headers) > 0",
    }
    site.route(
        "json", {"event": {"id": "string(body)", "type": "headers['x-a']"}, "forward": [seen]}
    )
    signed = {"scheme": "standard-webhooks", "secrets": ["managed:in"]}
    site.route("signed", {"verify": signed, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    cases: list[bytes] = []

    @given(data=requests | st.binary(max_size=300))
    @settings(max_examples=150, deadline=None, database=None)
    def collect(data: bytes) -> None:
        cases.append(data)

    collect()
    for data in cases:
        answers = await exchange(relay.public, data, ends=True)
        assert not [status for status in statuses(answers) if status >= 500], (data, answers)
    await relay.accepted("raw", {})
    await relay.until_value(0, "relay_pending_deliveries", target="hook")
    assert await relay.dead() == []
    assert "Traceback" not in "".join(capfd.readouterr())
