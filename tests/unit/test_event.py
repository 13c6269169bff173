"""Facts: public ids go there and back, and what is frozen stays so."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Wall
from relay.event import SEQ_SHIFT, TAG_BITS, DeliveryState, Event, format_id, parse_id

SEQS = st.integers(0, 2**63 - 1)
TAGS = st.integers(0, 2**TAG_BITS - 1)


@given(seq=SEQS, tag=TAGS)
def test_id_goes_there_and_back(seq: int, tag: int) -> None:
    """A public id holds the sequence number and the store's tag, and nothing else."""
    assert parse_id(format_id(seq, tag)) == (seq, tag)


@given(seq=SEQS, other=SEQS, tag=TAGS)
def test_ids_sort_as_sequence_numbers(seq: int, other: int, tag: int) -> None:
    """Ids sort by time as text, too, have one length and no dot.

    Standard Webhooks signs id.time.body: https://www.standardwebhooks.com
    """
    one, two = format_id(seq, tag), format_id(other, tag)
    assert (one < two) is (seq < other)
    assert len(one) == len(two) == 30
    assert one.isascii()
    assert "." not in one


@given(text=st.text(max_size=40) | st.from_regex(r"evt_[0-9a-zA-Z_+\- ]{24,28}", fullmatch=True))
def test_other_text_is_no_id(text: str) -> None:
    """Any text is either the very form that format_id gives, or no id."""
    parsed = parse_id(text)
    assert parsed is None or format_id(*parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "evt_", "evt_" + "0" * 25, "evt_" + "0" * 27, "0" * 30, "EVT_" + "0" * 26,
        "evt_" + "0" * 25 + "g", "evt_" + "A" * 26, "evt_" + "_" * 26,
        "evt_" + "\N{ARABIC-INDIC DIGIT ONE}" * 26, "evt_evt_" + "0" * 26,
        " evt_" + "0" * 26, "evt_" + "0" * 26 + "\n", "evt_" + "f" * 26,
    ],
    ids=ascii,
)  # fmt: skip
def test_near_ids_are_none(text: str) -> None:
    """An id that differs in a letter's case, a space or a digit is another's, not ours."""
    assert parse_id(text) is None


def test_sequence_number_holds_the_time() -> None:
    """The upper bits of a sequence number are milliseconds; they last beyond any of us."""
    milliseconds = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert milliseconds << SEQ_SHIFT < 2**63


def test_states_keep_their_numbers() -> None:
    """The numbers are on disk: a change of one would change the fate of every stored delivery."""
    assert {state.word: state.value for state in DeliveryState} == {
        "pending": 0, "claimed": 1, "delivered": 2, "dead": 3, "dropped": 4,
    }  # fmt: skip


def test_event_is_a_frozen_value() -> None:
    """A transform can't change the event under the next forward's feet."""
    event = Event(1, "evt_1", "hello", "", "", "", "", Wall(1_700_000_000.5), {}, {}, b"")
    with pytest.raises(AttributeError):
        event.raw = b"other"  # type: ignore[misc]  # what must not work
    assert event.received == datetime(2023, 11, 14, 22, 13, 20, 500000, UTC)
