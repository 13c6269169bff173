"""The facts that the relay passes around: events, their deliveries, and a transform's answer.

No behaviour. A value that the relay makes several times for each event is a NamedTuple, here and
elsewhere: it is as frozen as a dataclass, and is made in a third of the time.
`tests/integration/deliver/test_costs.py` holds how much is done for an event.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

from relay.clock import Steady, Wall

TAG_BITS = 40
_PREFIX = "evt_"
_ID = re.compile(r"evt_[0-7][0-9a-f]{25}")
SEQ_SHIFT = 20  # a sequence number is milliseconds since the epoch, shifted, plus a counter


class Event(NamedTuple):
    """One accepted webhook, as transforms see it.

    `seq` is its sequence number, which rises with each event of a store. `id` is the relay's own,
    unique over all stores, and goes out as `webhook-id`. `dedupe_id` is the sender's id of it, ''
    if the sender gives none. `key` is its ordering key. `headers` have lower-case names. `raw` is
    the very bytes that came; `body` is the value that they hold: an instance of the route's model
    if it has one, else plain JSON values; None until it is decoded. `received_at` is in seconds
    since the epoch, by the wall clock.
    """

    seq: int
    id: str
    route: str
    sender: str
    type: str
    key: str
    dedupe_id: str
    received_at: Wall
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
    """A transform's answer where a body alone won't do.

    `body` is bytes, text, or a value that is sent as JSON. `headers` are added to the target's own;
    `method` replaces the target's, unless it is ''.
    """

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = ""


class DeliveryState(IntEnum):
    """Where a delivery is in its life; the stores hold the numbers."""

    PENDING = 0
    CLAIMED = 1
    DELIVERED = 2
    DEAD = 3
    DROPPED = 4  # its transform returned None

    @property
    def word(self) -> str:
        """The word that people read."""
        return self.name.lower()


class Owed(NamedTuple):
    """One delivery that an event owes, as decided at accept: of which forward, to which target.

    An `ordered` one goes after those of the same key that were accepted before. `partition` is the
    number of the target's lane that it goes to.
    """

    forward: str
    target: str
    ordered: bool = False
    partition: int = 0


class Delivery(NamedTuple):
    """One event owed to one target, in the hands of the lane that owns it.

    `n` is its place among those that its event owes. `attempts` is how many attempts its budget has
    had; the budget began at `since`, in seconds since the epoch by the steady clock. `token` shows
    ownership when the outcome is settled: the claim's, or the lane's if it was never in the store.
    Deliveries of a target with the same `ordering` go one after another; '' is in no order.
    `partition` is the number of its target's lane that it belongs to.
    """

    event: Event
    n: int
    forward: str
    target: str
    attempts: int
    since: Steady
    token: int
    ordering: str = ""
    partition: int = 0


def partition_of(key: str, event_id: str, partitions: int) -> int:
    """Return which of a target's `partitions` lanes an event goes to, by its key, or its id."""
    return zlib.crc32((key or event_id).encode("utf-8", "replace")) % partitions


def format_id(seq: int, tag: int) -> str:
    """Return the public id of the event `seq` in the store with the tag `tag`."""
    return f"evt_{seq:016x}{tag:010x}"


def parse_id(text: str) -> tuple[int, int] | None:
    """Return (seq, tag) of a public id, or None if `text` is not one."""
    if _ID.fullmatch(text) is None:
        return None
    value = int(text.removeprefix(_PREFIX), 16)
    return value >> TAG_BITS, value & ((1 << TAG_BITS) - 1)
