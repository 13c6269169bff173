"""Durations and sizes as config files write them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from relay.fields.units import Duration, Size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("5s", 5.0),
        ("10m", 600.0),
        ("12h", 43200.0),
        ("7d", 604800.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A number and its unit are seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("512B", 512),
        ("64KiB", 65536),
        ("1MiB", 1 << 20),
        ("1.5MiB", 3 << 19),
        ("2GiB", 2 << 30),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """A number and its unit are bytes; units are powers of 1024."""
    assert parse_size(text) == size


NO_DURATIONS = [
    "", "5", 5, 5.0, None, True, [], "s", "5 s", " 5s", "5s ", "5s\n", "-5s", "+5s", "5S", "5sec",
    "5min", "1h30m", "1e3s",
    ".5s", "5.s", "0x5s", "infs", "nans", "5w", "1_000s", "\N{ARABIC-INDIC DIGIT FIVE}s",
    "\N{FULLWIDTH DIGIT FIVE}s",
    "9" * 400 + "d",
]  # fmt: skip
NO_SIZES = [
    "", "5", 5, None, True, "5 MiB", "5MB", "5kb", "5kib", "5K", "-1B", "1e3B", "5MiB\n",
    "9" * 400 + "B", "\N{ARABIC-INDIC DIGIT FIVE}B",
]  # fmt: skip


@pytest.mark.parametrize("value", NO_DURATIONS, ids=lambda value: ascii(value)[:20])
def test_what_is_no_duration_is_told_with_a_remedy(value: Any) -> None:
    """Anything else is refused, with an example of what to write."""
    with pytest.raises(PydanticCustomError, match="is not a duration") as caught:
        parse_duration(value)
    assert "30s" in (caught.value.context or {})["remedy"]


@pytest.mark.parametrize("value", NO_SIZES, ids=lambda value: ascii(value)[:20])
def test_what_is_no_size_is_told_with_a_remedy(value: Any) -> None:
    """Anything else is refused, with an example of what to write."""
    with pytest.raises(PydanticCustomError, match="is not a size") as caught:
        parse_size(value)
    assert "1MiB" in (caught.value.context or {})["remedy"]


@given(number=st.integers(0, 10**9), unit=st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_any_whole_duration_is_finite(number: int, unit: str) -> None:
    """A duration is a finite number of seconds, in proportion to its number."""
    seconds = parse_duration(f"{number}{unit}")
    assert math.isfinite(seconds)
    assert seconds == pytest.approx(number * parse_duration(f"1{unit}"))


@given(text=st.text(max_size=12))
def test_any_text_is_a_unit_or_a_validation_error(text: str) -> None:
    """Inside a model, a fault of either is pydantic's own error, so that its place is known."""
    for kind in (Duration, Size):
        try:
            found = TypeAdapter[Any](kind).validate_python(text)
        except ValidationError:
            continue
        assert found >= 0
