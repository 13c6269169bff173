"""Targets that are an Atom feed: a file that is read, and replaced as a whole."""

import os
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import structlog
from pydantic import Field, field_validator

from relay.clock import wall
from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import Delivery
from relay.fields.units import fault
from relay.routing.transform import Outgoing
from relay.targets.atom import (
    EntryInvalid,
    FeedDamaged,
    FeedHead,
    derived_id,
    is_id,
    is_link,
    merged,
    read_entry,
    read_feed,
    write_feed,
)
from relay.targets.batch import CONCURRENCY, BatchWriter
from relay.targets.target import (
    DEFAULT_RETRY,
    Kind,
    LaneOptions,
    Options,
    RetryOption,
    Section,
)

_NO_ENTRY = 422  # answers a body that is no entry, as a URL would: no retry makes it one
_MODE = 0o644  # a feed is for everyone
_log = structlog.get_logger("relay.targets.feed")


class FeedOptions(Options):
    """Deliveries become entries of an Atom feed, of which a file keeps the newest."""

    feed: Path = Field(
        description="The feed's file, relative to the one that names it; made if it is not there."
    )
    title: str = Field(min_length=1, description="The feed's title.")
    id: str | None = Field(
        default=None,
        description="The feed's id, an IRI; by default made of the link, or else of the path.",
    )
    entries: int = Field(
        default=100, ge=1, le=10_000, description="How many entries are kept, the newest."
    )
    link: str | None = Field(
        default=None, description="The page that the feed belongs to, an http or https URL."
    )
    retry: RetryOption = DEFAULT_RETRY

    @field_validator("title")
    @classmethod
    def _check_title(cls, value: str) -> str:
        if not value.isprintable() or not value.strip():
            raise fault("can't be a feed's title", "write printable text on one line")
        return value

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str | None) -> str | None:
        if value is not None and not is_id(value):
            raise fault(f"{value!r} can't be a feed's id", "write an IRI, such as urn:example:news")
        return value

    @field_validator("link")
    @classmethod
    def _check_link(cls, value: str | None) -> str | None:
        if value is not None and not is_link(value):
            raise fault(f"{value!r} is not a page's URL", "write http://… or https://…")
        return value

    def settings(self, section: Section) -> "FeedSettings":
        """Return the settings with the path made absolute, and an id."""
        path = section.file("feed", self.feed, alone="a feed has its file for itself")
        head = FeedHead(self.title, self.id or derived_id(self.link or path.as_uri()), self.link)
        return FeedSettings(section.name, self, path, head)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """A feed target; `path` is absolute."""

    name: str
    options: FeedOptions = field(repr=False)
    path: Path
    head: FeedHead

    @property
    def lane(self) -> LaneOptions:
        """As many in flight as may share one sync; a body that is no entry is dead at once."""
        retry = self.options.retry
        return LaneOptions(
            self.name,
            retry.policy,
            CONCURRENCY,
            give_up_on=frozenset({_NO_ENTRY}),
            longest_wait=retry.longest_wait,
        )

    def open(self) -> "FeedTarget":
        """Return a target that keeps the feed."""
        return FeedTarget(self.path, self.head, self.options.entries)


class FeedTarget:
    """Keeps the newest entries in the file, which alone holds them: nothing is remembered."""

    def __init__(self, path: Path, head: FeedHead, most: int) -> None:
        self._path = path
        self._entries = BatchWriter(partial(_add, path, head, most))

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Write one entry into the file and sync it."""
        at, began = wall(), time.perf_counter()
        event = delivery.event
        try:
            entry = read_entry(outgoing.body, event.id, event.received)
        except EntryInvalid as error:
            return Attempt(
                at, time.perf_counter() - began, _NO_ENTRY, DeliveryReason.REFUSED, str(error)
            )
        try:
            await self._entries.put(entry)
        except OSError as error:
            detail = f"{self._path}: {error.strerror}"
            return Attempt(
                at, time.perf_counter() - began, reason=DeliveryReason.CONNECTION, detail=detail
            )
        return Attempt(at, time.perf_counter() - began, status=200)

    async def close(self) -> None:
        """Wait for entries that are being written."""
        await self._entries.close()


@cache
def _lock(path: Path) -> threading.Lock:  # noqa: ARG001 - the cache's key
    """Return the file's lock: after a reload, attempts of old settings end beside those of new."""
    return threading.Lock()


def _add(path: Path, head: FeedHead, most: int, new: list[ET.Element]) -> None:
    """Merge entries into the file, of which the `most` newest stay, and sync it."""
    with _lock(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = merged(_read(path), new, most)
        fresh = path.with_name(f".{path.name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(write_feed(head, entries))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> list[ET.Element]:
    """Return the file's entries; a file that is no feed is put aside, never written over."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        return read_feed(text) if text else []
    except FeedDamaged as error:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        path.rename(aside)
        _log.error("feed_damaged", feed=str(path), kept=str(aside), detail=str(error))
        return []


KIND = Kind("feed", FeedOptions)
