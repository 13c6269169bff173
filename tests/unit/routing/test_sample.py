"""Samples: faults of their files, and differences between the outcome and the expected one."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.expression.cel import Expression
from relay.routing.route import Forward
from relay.routing.sample import Sample, SampleInvalid, judge, read_sample
from relay.verify.none import Unverified
from tests.unit.routing.routes import NeedsName, route

INBOX = Forward("inbox", "inbox")
CHAT = Forward("chat", "chat", body=Expression("{'who': body.name}"))


def written(folder: Path, **fields: Any) -> Path:
    path = folder / "some.json"
    path.write_text(json.dumps(fields))
    return path


def sample(expect: Any, raw: bytes = b'{"name": "Lan"}', sender: str = "") -> Sample:
    headers = {"content-type": "application/json"}
    return Sample("some", raw, headers, {}, sender, signed=True, expect=expect)


def test_body_is_json_unless_it_is_text(tmp_path: Path) -> None:
    """`body` goes out as JSON with its media type, `body_text` as it is with none."""
    decoded = read_sample(written(tmp_path, body={"a": "ä"}, expect="accepted"))
    assert decoded.raw == '{"a": "ä"}'.encode()
    assert decoded.headers == {"content-type": "application/json"}
    text = read_sample(written(tmp_path, body_text="{", headers={"X-A": "1"}, expect="malformed"))
    assert text.raw == b"{"
    assert text.headers == {"x-a": "1"}
    assert (text.sender, text.signed, text.query) == ("", True, {})


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"body": 1}, "needs `expect`"),
        ({"expect": "accepted"}, "one of `body`, `body_text`"),
        ({"expect": "accepted", "body": 1, "body_text": "1"}, "one of `body`, `body_text`"),
        ({"expect": "accepted", "body": 1, "expects": 1}, "unknown key 'expects'; known: about"),
    ],
)
def test_file_that_is_no_sample_names_its_fault(
    tmp_path: Path, fields: dict[str, Any], fault: str
) -> None:
    with pytest.raises(SampleInvalid, match=fault):
        read_sample(written(tmp_path, **fields))


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1, "a": 2}'])
def test_file_that_is_no_json_object_is_no_sample(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(SampleInvalid, match=r"some\.json"):
        read_sample(path)


@pytest.mark.parametrize(
    "expect",
    [
        {"inbox": "unchanged", "chat": {"body": {"who": "Lan"}}},
        {"inbox": "unchanged", "chat": [{"headers": {"Content-Type": "application/json"}}]},
        "accepted",
    ],
)
def test_outcome_that_is_expected_has_no_difference(expect: Any) -> None:
    assert judge(sample(expect), route(INBOX, CHAT), {"inbox", "chat"}) == []


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ("invalid", "expected invalid, came accepted"),
        ({"inbox": "unchanged"}, "chat: got 1 requests, expected 0"),
        ({"inbox": ["unchanged", "unchanged"], "chat": {}}, "inbox: got 1 requests, expected 2"),
        ({"inbox": "unchanged", "chat": "unchanged"}, "chat: the body was changed"),
        (
            {"inbox": "unchanged", "chat": {"body": {"who": "Huệ"}}},
            'chat: body: expected {"who": "Huệ"}, got {"who": "Lan"}',
        ),
        (
            {"inbox": "unchanged", "chat": {"headers": {"x-a": "1"}}},
            "chat: header x-a: expected '1', got None",
        ),
    ],
)
def test_difference_names_the_target_and_both_values(expect: Any, difference: str) -> None:
    assert judge(sample(expect), route(INBOX, CHAT), {"inbox", "chat"}) == [difference]


def test_refusal_that_was_not_expected_tells_its_places() -> None:
    hello = route(INBOX, validator=NeedsName())
    (difference,) = judge(sample({"inbox": "unchanged"}, b"{}"), hello, {"inbox"})
    assert difference.startswith("refused: invalid:")
    assert "name: is missing" in difference


@pytest.mark.parametrize(("raw", "expect"), [(b"{}", "quarantined"), (b"{", "malformed")])
def test_outcome_without_a_request_is_a_word(raw: bytes, expect: str) -> None:
    hello = route(INBOX, validator=NeedsName(), quarantines=True)
    assert judge(sample(expect, raw), hello, {"inbox"}) == []


def test_step_that_fails_is_a_difference() -> None:
    """A forward that fails sends nothing, which an empty `expect` must not hide."""
    failing = Forward("chat", "chat", when=Expression("body.none"))
    (difference,) = judge(sample({}), route(failing), {"chat"})
    assert difference.startswith("error: Key not found")


def test_unknown_sender_is_told_with_the_known_ones() -> None:
    hello = route(INBOX, schemes={"hue": Unverified(), "vinh": Unverified()})
    faults = judge(sample("accepted", sender="paris"), hello, {"inbox"})
    assert faults == ["`sender` is 'paris'; the route's senders: hue, vinh"]
