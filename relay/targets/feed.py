"""Attempts at a feed: an entry in an Atom file, which is read, and replaced whole; one sync for all that wait."""

import os
import threading
import time
import xml.etree.ElementTree as ET
from functools import cache, partial
from pathlib import Path

import structlog

from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import Delivery
from relay.routing.transform import Outgoing
from relay.targets.atom import (
    EntryInvalid,
    FeedDamaged,
    FeedOptions,
    merged,
    read_entry,
    read_feed,
    write_feed,
)
from relay.targets.batch import Together

NO_ENTRY = 422  # what a body that is no entry is answered with, as by a URL: it never will be one
_MODE = 0o644  # a feed is for everyone
_log = structlog.get_logger("relay.targets.feed")


class FeedSender:
    """Keeps the newest entries in the file, which tells by itself what it has; nothing is remembered here."""

    def __init__(self, path: Path, options: FeedOptions) -> None:
        self._path = path
        self._entries = Together(partial(_take, path, options))

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Take one entry into the file and sync it."""
        at, began = time.time(), time.perf_counter()
        event = delivery.event
        try:
            entry = read_entry(outgoing.body, event.id, event.received)
        except EntryInvalid as error:
            return Attempt(
                at, time.perf_counter() - began, NO_ENTRY, DeliveryReason.REFUSED, str(error)
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
        """Wait for what is being written."""
        await self._entries.close()


@cache
def _lock(path: Path) -> threading.Lock:  # noqa: ARG001 - the cache's key
    """Return the file's lock: after a reload, attempts by the old settings may end beside those by the new."""
    return threading.Lock()


def _take(path: Path, options: FeedOptions, new: list[ET.Element]) -> None:
    """Read the file, take entries into it, and put it in its place, synced."""
    with _lock(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = merged(_read(path), new, options.entries)
        fresh = path.with_name(f".{path.name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(write_feed(options, entries))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> list[ET.Element]:
    """Return the file's entries; one that is no feed is put aside, never written over."""
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
