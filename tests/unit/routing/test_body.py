"""Strict JSON and bounded decompression: a value or Rejected, and no more memory than allowed."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.errors import Rejected, RequestReason
from relay.routing.body import check_media_type, decode_json, decompress

LIMIT = 1 << 20
KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)
MALFORMED = {
    "empty": b"",
    "only-spaces": b"  \n",
    "duplicate-keys": b'{"a": 1, "a": 2}',
    "duplicate-keys-deep-inside": b'[{"x": {"a": 1, "b": 2, "a": 1}}]',
    "duplicate-keys-one-escaped": b'{"a": 1, "\\u0061": 2}',
    "nan": b'{"a": NaN}',
    "infinity": b"[Infinity]",
    "minus-infinity": b"[-Infinity]",
    "beyond-a-double": b"[1e999]",
    "below-a-double": b'{"a": -1E+999}',
    "beyond-a-double-without-exponent": b"[" + b"9" * 400 + b".0]",
    "five-thousand-digits": b"9" * 5000,
    "a-million-digits": b"[" + b"9" * 1_000_000 + b"]",
    "depth-100000": b"[" * 100_000 + b"]" * 100_000,
    "depth-100000-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "depth-100000-never-closed": b"[" * 100_000,
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "invalid-utf-8": b'{"a": "\xff"}',
    "invalid-utf-8-in-a-key": b'{"\xc3": 1}',
    "overlong-utf-8": b'"\xc0\xaf"',
    "surrogate-as-utf-8": b'"\xed\xa0\x80"',
    "lone-surrogate": b'"\\ud800"',
    "lone-low-surrogate": b'"\\udc00"',
    "surrogates-the-wrong-way": b'"\\udc00\\ud800"',
    "lone-surrogate-in-a-key": b'{"\\ud800": 1}',
    "trailing-garbage": b"{} x",
    "trailing-value": b"{}{}",
    "trailing-comma": b"[1,]",
    "trailing-nul": b"{}\0",
    "single-quotes": b"{'a': 1}",
    "comment": b"{} // no",
    "leading-zero": b"[01]",
    "plus": b"[+1]",
    "bare-point": b"[.5]",
    "point-without-digits": b"[1.]",
    "hexadecimal": b"[0x1]",
    "control-character-in-a-string": b'"a\nb"',
    "bad-escape": b'"\\x41"',
    "half-an-object": b'{"a": ',
    "word": b"undefined",
    "python-word": b"True",
}


def refusal(work: Callable[[], object]) -> RequestReason | None:
    """Return why `work` is refused, or None if it is not."""
    try:
        work()
    except Rejected as rejected:
        return rejected.reason
    return None


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_strict_json_is_malformed(body: bytes) -> None:
    """Bodies that parsers disagree on are refused as malformed, with a short detail."""
    with pytest.raises(Rejected) as caught:
        decode_json(body)
    assert caught.value.reason is RequestReason.MALFORMED
    assert len(caught.value.detail) < 300


@given(body=st.binary(max_size=200))
@example(b"[" * 300)
@example(b"1" * 4301)
def test_any_bytes_give_a_value_or_rejected(body: bytes) -> None:
    """Whatever arrives, the answer is a value or a refusal."""
    assert refusal(partial(decode_json, body)) in {None, RequestReason.MALFORMED}


@given(text=st.text(alphabet='{}[]",:.0123456789eE+-\\u dtrfalsnNIy\n', max_size=60))
def test_near_json_gives_what_json_gives_or_rejected(text: str) -> None:
    """A body that is taken means the same to Python's own parser."""
    try:
        value = decode_json(text.encode())
    except Rejected:
        return
    assert value == json.loads(text)


@given(value=VALUES, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_valid_json_round_trips(value: object, indent: int | None, *, ascii_only: bool) -> None:
    """Valid JSON comes out as json.loads reads it, types included."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    decoded = decode_json(text.encode())
    assert decoded == json.loads(text)
    assert repr(decoded) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-0",
        "-0.0",
        "1e308",
        "1e-400",
        "[1]",
        "123456789012345678901234567890",
        '"\\ud83d\\ude00"',
        '"\\u0000"',
        "[" * 150 + "]" * 150,
        "1" * 4300,
        "\t\r\n [ ] \n",
        '{"": {"": ""}}',
        '"1e999"',
        '{"1e9999": 1}',
    ],
)
def test_unusual_but_valid_json_is_taken(text: str) -> None:
    """A body that RFC 8259 allows without doubt is taken, however odd it looks."""
    assert decode_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_gzip_is_taken(encoding: str) -> None:
    """One gzip member gives its plain bytes; names of encodings know no case (RFC 9110 §8.4.1)."""
    assert decompress(gzip.compress(b"hello" * 1000), encoding, LIMIT) == b"hello" * 1000


def test_deflate_is_taken() -> None:
    """`deflate` is the zlib format (RFC 9110 §8.4.1.2)."""
    assert decompress(zlib.compress(b"hello"), "deflate", LIMIT) == b"hello"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
def test_no_encoding_changes_nothing(encoding: str) -> None:
    """Without an encoding, the very bytes come back."""
    assert decompress(b"\x1f\x8b", encoding, LIMIT) == b"\x1f\x8b"


@given(plain=st.binary(max_size=2000), level=st.integers(0, 9))
def test_whatever_is_compressed_comes_back(plain: bytes, level: int) -> None:
    """Decompression undoes compression, for both formats and every level."""
    assert decompress(gzip.compress(plain, level), "gzip", LIMIT) == plain
    assert decompress(zlib.compress(plain, level), "deflate", LIMIT) == plain


def test_limit_is_exact() -> None:
    """A body of exactly the limit is taken, a byte more is too large."""
    assert len(decompress(gzip.compress(b"x" * 1000), "gzip", 1000)) == 1000
    with pytest.raises(Rejected) as caught:
        decompress(gzip.compress(b"x" * 1001), "gzip", 1000)
    assert caught.value.reason is RequestReason.BODY_TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bomb_is_too_large_and_costs_no_memory(encoding: str) -> None:
    """200 MB of zeros in 200 KB are refused with little more memory than the limit."""
    machine = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    zeros = bytes(1 << 20)
    bomb = b"".join(machine.compress(zeros) for _ in range(200)) + machine.flush()
    tracemalloc.start()
    try:
        with pytest.raises(Rejected) as caught:
            decompress(bomb, encoding, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.reason is RequestReason.BODY_TOO_LARGE
    assert peak < 4 * LIMIT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        gzip.compress(b"hello")[:-1],
        gzip.compress(b"hello")[:5],
        gzip.compress(b"hello") + b"x",
        gzip.compress(b"hello") + gzip.compress(b"more"),
        gzip.compress(b"") * 20_000,
        gzip.compress(b"hello")[:-8] + bytes(8),
        zlib.compress(b"hello"),
    ],
    ids=[
        "empty",
        "plain",
        "cut",
        "cut-header",
        "followed",
        "two-members",
        "many-members",
        "checksum",
        "zlib",
    ],
)
def test_damaged_gzip_is_malformed(body: bytes) -> None:
    """Anything but one whole gzip member is malformed."""
    with pytest.raises(Rejected) as caught:
        decompress(body, "gzip", LIMIT)
    assert caught.value.reason is RequestReason.MALFORMED


@given(body=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_decompress_or_are_rejected(body: bytes, encoding: str) -> None:
    """Whatever is called compressed, the answer is bytes or a refusal."""
    for data in (body, gzip.compress(b"x" * 50)[:20] + body):
        answer = refusal(partial(decompress, data, encoding, 1000))
        assert answer in {None, RequestReason.MALFORMED, RequestReason.BODY_TOO_LARGE}


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip,identity", "gzip;q=1", "\udcff"]
)
def test_unknown_encoding_is_unsupported(encoding: str) -> None:
    """An encoding that we don't undo, or a chain of them, is answered with 415."""
    with pytest.raises(Rejected) as caught:
        decompress(gzip.compress(b"hello"), encoding, LIMIT)
    assert caught.value.reason is RequestReason.UNSUPPORTED_MEDIA_TYPE
    assert caught.value.reason.status == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/cloudevents+json",
        "text/json",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/vnd.api+json ; q=1",
        "application/problem+json",
    ],
)
def test_media_types_of_json_are_taken(content_type: str) -> None:
    """JSON under its several names, plain text (as SNS sends it), and no name at all are taken."""
    check_media_type(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        "application/jsonp",
        "image/svg+json",
        "application/json, text/html",
        "*/*",
        "\udcff",
    ],
)
def test_other_media_types_are_unsupported(content_type: str) -> None:
    """Any other media type is answered with 415."""
    with pytest.raises(Rejected) as caught:
        check_media_type(content_type)
    assert caught.value.reason is RequestReason.UNSUPPORTED_MEDIA_TYPE
