"""The quick reader gives the same as the reader with places, to the last value, or declines."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import yaml as quick
from relay.config.source import _read, plain

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = [ROOT / "config/relay.yaml", *sorted(ROOT.glob("routes/*/route.yaml"))]
# What YAML is made of, and what its versions and readers disagree on.
PIECES = st.sampled_from(
    [
        "a", "b", "key", " ", "  ", "\n", "\n  ", "\n- ", ": ", ":", "- ", "-", "[", "]", "{", "}",
        ", ", ",", "'", '"', "#",
        " #", "|", "|\n", "|-\n  ", ">\n  ", ">+\n ", "?", "? ", "!", "&", "*", "<<", "%", "@", "`",
        "\\", "\\n", "\\/",
        "\\x41", "''", '\\"', "...", "---", "\t", "\r\n", "\x85", "\u2028", "\ufeff", "\ue000",
        "\u00e9",
        "0", "1", "-1", "+1", "0o7", "012", "0b1", "0x1F", "1_0", "1e3", "1.", ".5", "1.e", ".inf",
        ".nan", "1:30",
        "2001-01-01", "true", "True", "yes", "Off", "null", "NULL", "~", "=",
        "http://x", "a.py:b", "a: 1\n", "b: [x, y]\n", "c: {d: e}\n", "- z\n", '"q": ', "'q': ",
        '"q":', "\\\n", "f: {g.py:h}\n",
    ]
)  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Compare types as well, the order of keys, and NaN with itself."""
    if type(one) is not type(other):
        return False
    match one:
        case dict():
            return list(one) == list(other) and all(
                same(value, other[key]) for key, value in one.items()
            )
        case list():
            return len(one) == len(other) and all(map(same, one, other))
        case float():
            return one == other or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


@settings(max_examples=600)
@given(st.lists(PIECES, min_size=1, max_size=14).map("".join))
def test_what_is_read_quickly_is_what_is_read_with_places(text: str) -> None:
    try:
        found = quick.read(text)
    except quick.Unsure:
        return
    try:
        placed = plain(_read(text))
    except (
        AssertionError,
        NotImplementedError,
    ):  # ruamel's own, at comments that it can keep nowhere
        return
    assert same(found, placed)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_files_are_read_quickly(path: Path) -> None:
    """If one is not, the start takes longer: write it so that it is."""
    text = path.read_text()
    assert same(quick.read(text), plain(_read(text)))


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x", "a: !!str 1", "a: 1\na: 2", "1: a", "[a]: b", "%YAML 1.1\n---\na: yes",
        "a: 1\n---\nb: 2",
        "a:\n  <<: {b: 1}", "a: 2001-01-01", "a:\tb", "a: b\r\n", "a: '\x85'", "\ufeffa: 1", "a: [",
        "a: |#\n", "a: |\n\n  b", '["q":a]',
        f"a: {'[' * 5000}{']' * 5000}",
    ],
)  # fmt: skip
def test_what_the_readers_might_disagree_on_is_read_with_places(text: str) -> None:
    with pytest.raises(quick.Unsure):
        quick.read(text)
