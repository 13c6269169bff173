"""Atom: which bodies are entries, which documents every reader takes, which entries stay."""

import json
import random
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.event import format_id
from relay.targets.atom import (
    ATOM,
    EntryInvalid,
    FeedDamaged,
    FeedHead,
    derived_id,
    merged,
    read_entry,
    read_feed,
    write_feed,
)

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
HEAD = FeedHead("Tin hợp tác", "urn:example:news")


def entry(n: int = 1, **facts: Any) -> ET.Element:
    return read_entry(
        json.dumps({"title": "x", **facts}).encode(), format_id(n, 0), AT + timedelta(seconds=n)
    )


def text(element: ET.Element, path: str) -> str | None:
    return element.findtext("/".join(f"{{{ATOM}}}{part}" for part in path.split("/")))


def titles(entries: list[ET.Element]) -> list[str | None]:
    return [text(element, "title") for element in entries]


def again(entries: list[ET.Element]) -> list[ET.Element]:
    """Write a feed and read it."""
    return read_feed(write_feed(HEAD, entries))


def test_entry_with_all_that_there_is() -> None:
    """Each key has its element."""
    element = entry(
        id="urn:example:1", title="Đã ký", updated="2026-11-23T15:00:00+07:00", summary="tóm tắt",
        content="nội dung", link="https://example.org/1", categories=["bilateral", "trade"],
        author="Sở Công Thương",
    )  # fmt: skip
    names = ("id", "title", "updated", "summary", "content", "author/name")
    assert [text(element, name) for name in names] == [
        "urn:example:1", "Đã ký", "2026-11-23T15:00:00+07:00", "tóm tắt", "nội dung",
        "Sở Công Thương",
    ]  # fmt: skip
    link = element.find(f"{{{ATOM}}}link")
    assert link is not None
    assert link.get("href") == "https://example.org/1"
    assert [category.get("term") for category in element.findall(f"{{{ATOM}}}category")] == [
        "bilateral",
        "trade",
    ]


def test_entry_with_the_least_that_there_is() -> None:
    """Id and time are the event's; without a link there is content, as the standard wants it."""
    element = entry(7)
    assert text(element, "id") == f"urn:webhook:{format_id(7, 0)}"
    assert text(element, "updated") == "2026-11-23T08:00:07.000+00:00"
    assert text(element, "content") == "x"
    assert text(entry(summary="y"), "content") == "y"
    assert text(entry(link="https://example.org/"), "content") is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"plain", "body: Invalid JSON"),
        (b"[]", "body: "),
        (b"{}", "title: Field required"),
        (b'{"title": " "}', "title: Value error, it is empty"),
        (b'{"title": "\\u0000"}', "title: Value error, it is empty"),
        (b'{"title": 1}', "title: Input should be a valid string"),
        (b'{"title": "x", "titel": "y"}', "titel: Extra inputs are not permitted"),
        (
            b'{"title": "x", "updated": "2026-11-23T08:00:00"}',
            "updated: Value error, it is no RFC 3339 time with its zone",
        ),
        (b'{"title": "x", "updated": "yesterday"}', "updated: Value error, it is no RFC 3339 time"),
        (b'{"title": "x", "id": "1"}', "id: Value error, it is no IRI"),
        (
            b'{"title": "x", "link": "javascript:alert(1)"}',
            "link: Value error, it is no http or https URL",
        ),
        (b'{"title": "x", "categories": "a"}', "categories: Input should be a valid array"),
        (b'{"title": "x", "categories": [""]}', "categories.0: Value error, it is empty"),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_told_with_its_place(body: bytes, why: str) -> None:
    """So that who wrote the forward can mend it."""
    with pytest.raises(EntryInvalid) as caught:
        read_entry(body, "evt", AT)
    assert str(caught.value).startswith(f"the body is no entry of a feed: {why}")


@given(title=st.text(min_size=1), content=st.text())
def test_any_text_makes_a_document_that_reads_the_same(title: str, content: str) -> None:
    """Markup is text; what XML can't write is left out; nothing breaks the feed for the others."""
    body = json.dumps({"title": f"t{title}", "content": content})
    if any(0xD800 <= ord(letter) < 0xE000 for letter in title + content):
        return  # no JSON text has half a character
    element = read_entry(body.encode(), "evt", AT)
    (read,) = again([element])
    kept = [
        letter
        for letter in f"t{title}"
        if letter in "\t\n\r" or (letter >= " " and letter not in "\ufffe\uffff")
    ]
    assert text(read, "title") == "".join(kept).replace("\r\n", "\n").replace("\r", "\n")


def test_document_says_what_it_is() -> None:
    """Id, title, time and author of the feed, and the link if there is one (RFC 4287 §4.1.1)."""
    root = ET.fromstring(write_feed(HEAD, merged([], [entry(1), entry(2)], 3)))
    assert root.tag == f"{{{ATOM}}}feed"
    assert [text(root, name) for name in ("id", "title", "updated", "author/name")] == [
        "urn:example:news", "Tin hợp tác", "2026-11-23T08:00:02.000+00:00", "Tin hợp tác"
    ]  # fmt: skip
    assert root.find(f"{{{ATOM}}}link") is None
    linked = write_feed(FeedHead("x", "urn:x", "https://example.org/"), [entry()])
    assert b'<link href="https://example.org/" />' in linked
    assert linked.startswith(
        b"<?xml version='1.0' encoding='utf-8'?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\""
    )


def test_newest_entries_stay() -> None:
    """By their time, whenever they were delivered, however often the file is written and read."""
    entries: list[ET.Element] = []
    for n in (3, 1, 5, 2, 4):
        entries = again(merged(entries, [entry(n, title=f"{n}")], 3))
    assert titles(entries) == ["5", "4", "3"]
    assert titles(merged(entries, [entry(9, title="old", updated="2001-01-01T00:00:00Z")], 3)) == [
        "5",
        "4",
        "3",
    ]
    zones = [
        entry(1, title="a", updated="2026-11-23T15:00:00+07:00"),
        entry(2, title="b", updated="2026-11-23T08:30:00Z"),
    ]
    assert titles(merged([], zones, 3)) == ["b", "a"]


def test_entry_takes_the_place_of_the_one_with_its_id() -> None:
    """A correction replaces; an event that comes again or late does not undo it."""
    first, second = (
        entry(1, id="urn:x", title="first"),
        entry(2, id="urn:x", title="second", updated="2001-01-01T00:00:00Z"),
    )
    for order in ([first, second], [second, first], [first, second, first], [second, second]):
        entries: list[ET.Element] = []
        for element in order:
            entries = again(merged(entries, [element], 3))
        assert titles(entries) == ["second"]
        assert titles(merged([], order, 3)) == ["second"]
    changed = entry(2, id="urn:x", title="the same event by another transform")
    assert titles(merged([second], [changed], 3)) == ["the same event by another transform"]


@given(seed=st.integers(), events=st.lists(st.integers(1, 6), max_size=12), most=st.integers(1, 5))
def test_order_and_repetition_change_nothing(seed: int, events: list[int], most: int) -> None:
    """At least once, in any order, singly or together: the same feed, until an entry falls out."""
    new = [entry(n, id=f"urn:{n % 3}", title=f"{n}") for n in events]
    shuffled = new * 2
    random.Random(seed).shuffle(shuffled)
    singly: list[ET.Element] = []
    for element in shuffled:
        singly = merged(singly, [element], 10)
    assert titles(singly[:most]) == titles(merged([], new, most))


@pytest.mark.parametrize(
    "damaged",
    [
        b"x",
        b"<feed",
        b"<feed/>",
        b"<rss><channel/></rss>",
        b'<?xml version="1.0" encoding="nobody"?><a/>',
        b"\0" * 10,
    ],
)
def test_what_is_no_feed_is_told(damaged: bytes) -> None:
    """Whatever the bytes are."""
    with pytest.raises(FeedDamaged):
        read_feed(damaged)


def test_foreign_entries_are_kept() -> None:
    """A feed that another program began goes on, with what the relay knows nothing of."""
    began = (
        f'<feed xmlns="{ATOM}"><entry><id>urn:old</id><title>old</title>'
        "<updated>2026-11-23T07:00:00Z</updated>"
        "<rights>x</rights></entry><entry><title>broken</title></entry></feed>"
    )
    entries = again(merged(read_feed(began.encode()), [entry(1)], 3))
    assert titles(entries) == ["x", "old", "broken"]
    assert text(entries[1], "rights") == "x"


def test_derived_id_is_always_the_same() -> None:
    """And another for another feed."""
    assert derived_id("https://example.org/") == derived_id("https://example.org/")
    assert derived_id("https://example.org/") != derived_id("https://example.org/2")
    assert derived_id("x").startswith("urn:uuid:")
