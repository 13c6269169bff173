"""The facts the relay passes around: an event, what it owes, and what a transform may answer. No behaviour.

What is made several times for each event is a NamedTuple, here and elsewhere: as frozen as a dataclass, and made
in a third of the time.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

TAG_BITS = 40
_PREFIX = "evt_"
_ID = re.compile(r"evt_[0-7][0-9a-f]{25}")
SEQ_SHIFT = 20  # a sequence number is milliseconds since the epoch, shifted, plus a counter


class Event(NamedTuple):
    """One accepted webhook, as transforms see it.

    `id` is the relay's own, unique over all stores, and goes out as `webhook-id`. `dedupe_id` is the sender's
    id of it, empty when it gives none. `headers` have lower-case names. `raw` is the very bytes that came;
    `body` is the value that they hold: an instance of the route's model if it has one, else plain
    JSON values; None until it is decoded.
    `received_at` is in seconds since the epoch, UTC.
    """

    seq: int
    id: str
    route: str
    sender: str
    type: str
    key: str
    dedupe_id: str
    received_at: float
    headers: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    body: Any = None

    @property
    def received(self) -> datetime:
        """When it was accepted, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.received_at, UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """What a transform may return when a body alone won't do.

    `body` is bytes, text, or a value that is sent as JSON. `headers` are added to the target's own;
    `method` replaces the target's.
    """

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = ""


class DeliveryState(IntEnum):
    """Where a delivery is in its life; the numbers are what the stores hold."""

    PENDING = 0
    CLAIMED = 1
    DELIVERED = 2
    DEAD = 3
    DROPPED = 4  # its transform returned None

    @property
    def word(self) -> str:
        """The word people read."""
        return self.name.lower()


class Owed(NamedTuple):
    """One delivery that an event owes, decided at accept: which forward, to which target, and how.

    `ordered`: one at a time for each key, in the order of acceptance. `partition`: which of the target's.
    """

    forward: str
    target: str
    ordered: bool = False
    partition: int = 0


class Delivery(NamedTuple):
    """One event owed to one target, in the hands of the lane that owns it.

    `n` is its place in what the event owes. `attempts` is how many were made before in this budget, which
    began at `since` (seconds since the epoch). `token` shows ownership when the result is settled.
    Deliveries of a target with the same `ordering` go one after another; '' is in no order. `partition` is
    the lane of its target that it belongs to.
    """

    event: Event
    n: int
    forward: str
    target: str
    attempts: int
    since: float
    token: int
    ordering: str = ""
    partition: int = 0


def partition_of(key: str, event_id: str, partitions: int) -> int:
    """Return in which of a target's partitions an event goes: the same for all of its key, else by its id."""
    return zlib.crc32((key or event_id).encode("utf-8", "replace")) % partitions


def format_id(seq: int, tag: int) -> str:
    """Return the public id of the event with sequence number `seq` in the store with the tag `tag`."""
    return f"evt_{seq:016x}{tag:010x}"


def parse_id(text: str) -> tuple[int, int] | None:
    """Return (seq, tag) of a public id, or None if `text` is not one."""
    if _ID.fullmatch(text) is None:
        return None
    value = int(text.removeprefix(_PREFIX), 16)
    return value >> TAG_BITS, value & ((1 << TAG_BITS) - 1)
