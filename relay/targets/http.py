"""One attempt: a request to a URL, or a line in a file. aiohttp's exceptions become reasons here, nowhere else."""

import base64
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from pydantic_core import PydanticSerializationError, to_json
from yarl import URL

from relay.delivery.retry import retry_after
from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import Delivery
from relay.http.egress import ANY, MARK, Egress, EgressBlocked, guarded
from relay.http.exchange import Exchanges
from relay.routing.transform import Outgoing
from relay.targets.batch import Together
from relay.verify.sign import signatures

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_TOLD = 300  # characters of a failed response that are kept
_TRACE = re.compile(
    r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})"
)  # W3C Trace Context §3.2
_ERRNO = re.compile(r"\[Errno -?\d")


class Sender(Protocol):
    """Makes attempts at one target."""

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Try once; every failure is in the answer, none is raised."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How a URL target is asked; times in seconds."""

    url: str
    method: str
    connect: float
    total: float
    headers: Mapping[str, str]
    signing_keys: tuple[bytes, ...]
    user_agent: str
    egress: Egress = ANY


class HttpSender:
    """Attempts over HTTP, on connections of this target's own that are kept alive and reused."""

    def __init__(
        self, options: HttpOptions, factory: Callable[[Any], socket.socket] | None = None
    ) -> None:
        self._method = options.method
        self._standing = {
            "user-agent": options.user_agent,
            "accept": "*/*",
            "accept-encoding": "identity",
        }
        self._own = dict(options.headers)
        self._keys = options.signing_keys
        self._options = options
        self._factory = factory
        self._exchanges: Exchanges | None = None

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Send the request once, without following redirects."""
        at = time.time()
        headers = self._headers(delivery, outgoing, at)
        began = time.perf_counter()
        try:
            exchanges = self._exchanges or self._begin()
            reply = await exchanges.make(outgoing.method or self._method, headers, outgoing.body)
        except Exception as error:  # noqa: BLE001 - whatever the client raises, it is this attempt's failure
            return Attempt(
                at, time.perf_counter() - began, reason=reason_of(error), detail=_describe(error)
            )
        duration = time.perf_counter() - began
        if 200 <= reply.status < 300:
            return Attempt(at, duration, reply.status)
        asked = reply.headers.get("retry-after")
        return Attempt(
            at,
            duration,
            reply.status,
            detail=reply.body.decode("utf-8", "replace")[:_TOLD].strip(),
            retry_after=retry_after(asked, time.time()) if asked else None,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._exchanges is not None:
            await self._exchanges.close()

    def _begin(self) -> Exchanges:
        """Make the pool of connections, with the first attempt: most of a thousand targets may rest for days."""
        options = self._options
        connector = aiohttp.TCPConnector(
            limit=0,  # the lane bounds how many there are
            socket_factory=self._factory or guarded(options.egress),
        )
        self._exchanges = Exchanges(
            URL(options.url), connector, options.connect, options.total, self._standing
        )
        return self._exchanges

    def _headers(self, delivery: Delivery, outgoing: Outgoing, now: float) -> dict[str, str]:
        event = delivery.event
        timestamp = int(now)
        headers = {
            **outgoing.headers,
            **self._own,
            "webhook-id": event.id,
            "webhook-timestamp": str(timestamp),
            "relay-route": event.route,
            "relay-attempt": str(delivery.attempts + 1),
            "traceparent": traceparent(delivery),
        }
        if self._keys:
            headers["webhook-signature"] = signatures(
                self._keys, event.id, timestamp, outgoing.body
            )
        return headers


class FileSender:
    """Appends a JSON line a delivery; one sync for all lines that wait together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = Together(partial(_append, path))

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Append one line and sync it."""
        at, began = time.time(), time.perf_counter()
        try:
            await self._lines.put(line(delivery, outgoing))
        except OSError as error:
            detail = f"{self._path}: {error.strerror}"
            return Attempt(
                at, time.perf_counter() - began, reason=DeliveryReason.CONNECTION, detail=detail
            )
        return Attempt(at, time.perf_counter() - began, status=200)

    async def close(self) -> None:
        """Wait for what is being written."""
        await self._lines.close()


def line(delivery: Delivery, outgoing: Outgoing) -> bytes:
    """Return the JSON line of a delivery; `body` is the exact text, or `body_base64` if it is not UTF-8."""
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


def traceparent(delivery: Delivery) -> str:
    """Return the W3C trace context of an attempt: the sender's trace if it sent one, else the event's own."""
    span = _span(delivery.n, delivery.attempts)
    sent = delivery.event.headers.get("traceparent")
    if sent and (given := _TRACE.fullmatch(sent)):
        return f"00-{given[1]}-{span}-{given[2]}"
    return f"00-{delivery.event.id[4:].zfill(32)}-{span}-00"


@lru_cache(maxsize=256)
def _span(n: int, attempts: int) -> str:
    return f"{n + 1:08x}{attempts + 1:08x}"


def reason_of(error: BaseException) -> DeliveryReason:
    """Return the reason that an exception of aiohttp, or below it, stands for."""
    match error:
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return DeliveryReason.DNS
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return DeliveryReason.TLS
        case TimeoutError():
            return DeliveryReason.TIMEOUT
        case aiohttp.InvalidURL() | EgressBlocked():
            return DeliveryReason.BLOCKED
        case _ if _blocked(error):
            return DeliveryReason.BLOCKED
    return DeliveryReason.CONNECTION


def _blocked(error: BaseException) -> bool:
    """Tell whether all addresses of a name were refused: of one that was dialled, the system tells an errno.

    The errors of several addresses come as one, of which only the text is left; "[Errno None]" is no errno.
    """
    text = _told(error)
    return MARK in text and _ERRNO.search(text) is None


def _told(error: BaseException) -> str:
    """Return an exception's text; aiohttp's own text of a failed dial leaves out what has no errno."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(inner if MARK in str(inner) else error).strip()


def _describe(error: BaseException) -> str:
    text = _told(error)
    return f"{type(error).__name__}: {text}"[:_TOLD] if text else type(error).__name__


def _append(path: Path, lines: list[bytes]) -> None:
    """Append and sync; a line that a crash cut short before is ended first, so that it harms no other."""
    data = b"".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
