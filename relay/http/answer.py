"""Answers of the public listener: the decision, its bytes, and how aiohttp sends them."""

import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import HttpVersion11, web

from relay.errors import Rejected, RequestReason

# Without a version: no answer tells a stranger more than it must.
_SERVER = "server: relay\r\n"
_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n{_SERVER}date: "
    for status in HTTPStatus
}
_NO_CONTENT = HTTPStatus.NO_CONTENT.value
_NONE: Mapping[str, str] = {}
_CHALLENGES = {"basic": 'Basic realm="relay", charset="UTF-8"', "token": "Bearer"}
_PROBLEM = "application/problem+json"
# Reasons after which the connection ends: the rest of the body is not read, or nothing more is.
_CLOSING = frozenset(
    {
        RequestReason.BODY_TOO_LARGE,
        RequestReason.BODY_TOO_SLOW,
        RequestReason.MALFORMED,
        RequestReason.DRAINING,
    }
)


class Answer(NamedTuple):
    """An answer with its body. `closes` says that the connection ends with it."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NONE
    closes: bool = False

    def encode(self, *, stays: bool, bodyless: bool = False) -> bytes:
        """Return its bytes.

        `stays`: the connection goes on; `bodyless`: the request was HEAD (RFC 9110 §9.3.2).
        """
        content = ""
        if self.status != _NO_CONTENT:
            content = f"content-type: {self.content_type}\r\ncontent-length: {len(self.body)}\r\n"
        more = (
            "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
            if self.headers
            else ""
        )
        end = "\r\n" if stays else "connection: close\r\n\r\n"
        date = _date(int(time.time()))
        head = f"{_LINES[self.status]}{date}\r\n{content}{more}{end}".encode()
        return head if bodyless else head + self.body


class Response(web.StreamResponse):
    """An answer in aiohttp's hands: `prepare` writes all of it at once.

    It does what `web.Response` does by its public methods, for a third of the instructions, since
    answers of the public listener are short (tests/integration/deliver/test_instructions.py).
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status)
        self.answer = answer
        self._stays = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on; known once the answer is written."""
        return self._stays

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer; raises ConnectionResetError if the sender has gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the sender has gone")
        # After an upgrade that is not taken up it is unknown where the next request begins.
        self._stays = (
            not self.answer.closes
            and request.keep_alive
            and request.version >= HttpVersion11
            and not _is_upgrade(request)
        )
        bodyless = request.method == "HEAD"
        transport.write(self.answer.encode(stays=self._stays, bodyless=bodyless))

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing more: the answer is whole."""


def _is_upgrade(request: web.BaseRequest) -> bool:
    """Tell whether the sender goes on in another protocol (RFC 9110 §7.8, §9.3.6)."""
    if request.method == "CONNECT":
        return True
    connection = request.headers.get("connection", "")
    return "upgrade" in request.headers and "upgrade" in connection.lower()


def problem(rejected: Rejected, scheme: str = "") -> Answer:
    """Return problem details (RFC 9457); a 401 names the kind of scheme (RFC 9110 §15.5.2)."""
    reason = rejected.reason
    details: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(reason.status).phrase,
        "status": reason.status,
        "detail": rejected.detail,
        "reason": reason.value,
    }
    if rejected.where:
        details["errors"] = [{"path": path, "message": message} for path, message in rejected.where]
    headers = {}
    if rejected.retry_after is not None:
        headers["retry-after"] = str(rejected.retry_after)
    if reason is RequestReason.NOT_VERIFIED:
        headers["www-authenticate"] = _CHALLENGES.get(scheme, "Signature")
    if reason is RequestReason.METHOD_NOT_ALLOWED:
        headers["allow"] = "POST"
    body = json.dumps(details, ensure_ascii=False).encode()
    return Answer(reason.status, body, _PROBLEM, headers, reason in _CLOSING)


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    """Return seconds since the epoch as an HTTP date (RFC 9110 §5.6.7)."""
    return formatdate(seconds, usegmt=True)
