"""Targets that are a file: a JSON line a delivery, appended and synced."""

import base64
import json
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import Field
from pydantic_core import PydanticSerializationError, to_json

from relay.clock import wall
from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import Delivery
from relay.routing.transform import Outgoing
from relay.targets.batch import CONCURRENCY, BatchWriter
from relay.targets.target import (
    DEFAULT_RETRY,
    Kind,
    LaneOptions,
    Options,
    RetryOption,
    Section,
)

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_MODE = 0o600  # of a new file: what it holds is for its owner alone


class FileOptions(Options):
    """Deliveries are appended to a file, one JSON line each."""

    file: Path = Field(
        description="The file, relative to the one that names it; made if it is not there."
    )
    retry: RetryOption = DEFAULT_RETRY

    def settings(self, section: Section) -> "FileSettings":
        """Return the settings with the path made absolute."""
        return FileSettings(section.name, self, section.file("file", self.file))


@dataclass(frozen=True, slots=True)
class FileSettings:
    """A file target; `path` is absolute."""

    name: str
    options: FileOptions = field(repr=False)
    path: Path

    @property
    def lane(self) -> LaneOptions:
        """As many deliveries in flight as may share one sync."""
        retry = self.options.retry
        return LaneOptions(self.name, retry.policy, CONCURRENCY, longest_wait=retry.longest_wait)

    def open(self) -> "FileTarget":
        """Return a target that appends to the file."""
        return FileTarget(self.path)


class FileTarget:
    """Appends lines to the file, which may be moved away at any time: each batch opens it anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = BatchWriter(partial(_append, path))

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Append one line and sync it."""
        at, began = wall(), time.perf_counter()
        try:
            await self._lines.put(line(delivery, outgoing))
        except OSError as error:
            detail = f"{self._path}: {error.strerror}"
            return Attempt(
                at, time.perf_counter() - began, reason=DeliveryReason.CONNECTION, detail=detail
            )
        return Attempt(at, time.perf_counter() - began, status=200)

    async def close(self) -> None:
        """Wait for lines that are being written."""
        await self._lines.close()


def line(delivery: Delivery, outgoing: Outgoing) -> bytes:
    """Return a delivery's line; `body` is the exact text, `body_base64` bytes not in UTF-8."""
    event = delivery.event
    try:
        body = {"body": outgoing.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(outgoing.body).decode()}
    record = {
        "id": event.id,
        "route": event.route,
        "type": event.type,
        "key": event.key,
        "received": datetime.fromtimestamp(event.received_at, UTC).isoformat(
            timespec="milliseconds"
        ),
        "attempt": delivery.attempts + 1,
        "headers": outgoing.headers,
        **body,
    }
    if event.sender:
        record["sender"] = event.sender
    try:
        return to_json(record) + b"\n"
    except PydanticSerializationError:  # half of a surrogate pair, such as a header may hold
        return _COMPACT.encode(record).encode("utf-8", "replace") + b"\n"


def _append(path: Path, lines: list[bytes]) -> None:
    """Append and sync; a line that a crash cut short is ended first, so that it harms no other."""
    data = b"".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


KIND = Kind("file", FileOptions)
