"""An Atom feed (RFC 4287): entries from deliveries' bodies, merged into a document. No IO."""

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from relay.errors import RelayError

ATOM = "http://www.w3.org/2005/Atom"
# The event that an entry is from: foreign markup, RFC 4287 §6.
_EVENT = "{urn:webhook:relay}event"
# Characters that XML 1.0 §2.2 has no way to write.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LINK = re.compile(r"https?://[^\s<>\"]+")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+")
_NEVER = datetime.min.replace(tzinfo=UTC)
ET.register_namespace("", ATOM)
ET.register_namespace("relay", "urn:webhook:relay")


class EntryInvalid(RelayError):
    """A body that is no entry; the text says where and why, without the body's values."""


class FeedDamaged(RelayError):
    """A file that is no Atom feed; the text says why."""


def is_link(text: str) -> bool:
    """Tell whether `text` is an http or https URL, to which a reader may be led."""
    return _LINK.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Tell whether `text` can be the id of an entry or feed: an IRI (RFC 4287 §4.2.6)."""
    return _IRI.fullmatch(text) is not None


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)


def _needed(text: str) -> str:
    if not _clean(text).strip():
        raise ValueError("it is empty")
    return _clean(text)


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError("it is no IRI, such as urn:example:1 or https://example.org/1")
    return text


def _link(text: str) -> str:
    if not is_link(text):
        raise ValueError("it is no http or https URL")
    return text


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = _NEVER.replace(tzinfo=None)
    if at.tzinfo is None:
        raise ValueError("it is no RFC 3339 time with its zone, such as 2026-11-23T15:00:00+07:00")
    return at.isoformat()


Text = Annotated[str, AfterValidator(_clean)]


class Entry(BaseModel):
    """An entry as a delivery's body has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    title: Annotated[str, AfterValidator(_needed)]
    id: Annotated[str, AfterValidator(_id)] | None = None
    updated: Annotated[str, AfterValidator(_moment)] | None = None
    summary: Text | None = None
    content: Text | None = None
    link: Annotated[str, AfterValidator(_link)] | None = None
    categories: list[Annotated[str, AfterValidator(_needed)]] = []
    author: Annotated[str, AfterValidator(_needed)] | None = None


@dataclass(frozen=True, slots=True)
class FeedHead:
    """The elements of a feed beside its entries."""

    title: str
    id: str
    link: str | None = None


def derived_id(name: str) -> str:
    """Return an id that is always the same for the URL `name`."""
    return uuid.uuid5(uuid.NAMESPACE_URL, name).urn


def read_entry(body: bytes, event_id: str, received: datetime) -> ET.Element:
    """Return the entry in a body; id and time default to the event's. Raises EntryInvalid."""
    try:
        entry = Entry.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        text = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults
        )
        raise EntryInvalid(f"the body is no entry of a feed: {text}") from None
    element = ET.Element(_tag("entry"), {_EVENT: event_id})
    _add(element, "id", entry.id or f"urn:webhook:{event_id}")
    _add(element, "title", entry.title)
    _add(element, "updated", entry.updated or received.isoformat(timespec="milliseconds"))
    if entry.author is not None:
        _add(_add(element, "author"), "name", entry.author)
    if entry.link is not None:
        _add(element, "link", href=entry.link)
    for category in entry.categories:
        _add(element, "category", term=category)
    if entry.summary is not None:
        _add(element, "summary", entry.summary)
    content = entry.content
    if content is None and entry.link is None:
        # An entry has a content or a link, RFC 4287 §4.1.2.
        content = entry.summary or entry.title
    if content is not None:
        _add(element, "content", content)
    return element


def read_feed(text: bytes) -> list[ET.Element]:
    """Return the entries of a feed in the order of its text; raise FeedDamaged."""
    try:
        # The relay's own file; and expat bounds the size to which entities grow.
        root = ET.fromstring(text)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise FeedDamaged(f"it is not XML: {error}") from None
    if root.tag != _tag("feed"):
        raise FeedDamaged("it is XML, but no Atom feed")
    return root.findall(_tag("entry"))


def merged(entries: Sequence[ET.Element], new: Iterable[ET.Element], most: int) -> list[ET.Element]:
    """Return the `most` newest entries by their `updated`, the newest first.

    An entry takes the place of one with the same id, unless that is of a later event: a delivery
    that comes twice, or late, changes nothing.
    """
    by_id = {_text(entry, "id"): entry for entry in reversed(entries)}
    for entry in new:
        before = by_id.get(_text(entry, "id"))
        if before is None or before.get(_EVENT, "") <= entry.get(_EVENT, ""):
            by_id[_text(entry, "id")] = entry
    return sorted(by_id.values(), key=_order, reverse=True)[:most]


def write_feed(head: FeedHead, entries: Sequence[ET.Element]) -> bytes:
    """Return the document, as new as its newest entry; its author stands for entries without."""
    feed = ET.Element(_tag("feed"))
    _add(feed, "id", head.id)
    _add(feed, "title", head.title)
    _add(feed, "updated", _text(entries[0], "updated"))
    _add(_add(feed, "author"), "name", head.title)
    if head.link is not None:
        _add(feed, "link", href=head.link)
    feed.extend(entries)
    ET.indent(feed)
    written: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _order(entry: ET.Element) -> tuple[datetime, str]:
    try:
        at = datetime.fromisoformat(_text(entry, "updated"))
    except ValueError:
        at = _NEVER
    return (at if at.tzinfo else at.replace(tzinfo=UTC)), entry.get(_EVENT, "")


def _text(entry: ET.Element, name: str) -> str:
    return (entry.findtext(_tag(name)) or "").strip()


def _tag(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _add(parent: ET.Element, name: str, text: str = "", **attributes: Any) -> ET.Element:
    element = ET.SubElement(parent, _tag(name), attributes)
    element.text = text or None
    return element
