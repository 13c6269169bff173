"""A whole answer in one write: what the public listener says is short, so that the way of a long one would be most of its cost."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from aiohttp.helpers import rfc822_formatted_time

from relay.errors import Rejected, RequestReason

_SERVER = "server: relay\r\n"  # and no version: no answer tells a stranger more than it must
_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n{_SERVER}date: "
    for status in HTTPStatus
}
_NO_CONTENT = HTTPStatus.NO_CONTENT.value
_NONE: Mapping[str, str] = {}
_CHALLENGES = {"basic": 'Basic realm="relay", charset="UTF-8"', "token": "Bearer"}
_PROBLEM = "application/problem+json"


class Answer(NamedTuple):
    """An answer with its body. `closes` says that the connection ends with it."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NONE
    closes: bool = False

    def written(self, *, stays: bool, bodyless: bool = False) -> bytes:
        """Return its bytes; `stays`: the connection goes on; `bodyless`: only the head was asked for."""
        content = ""
        if self.status != _NO_CONTENT:
            content = f"content-type: {self.content_type}\r\ncontent-length: {len(self.body)}\r\n"
        more = (
            "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
            if self.headers
            else ""
        )
        end = "\r\n" if stays else "connection: close\r\n\r\n"
        head = f"{_LINES[self.status]}{rfc822_formatted_time()}\r\n{content}{more}{end}".encode()
        return head if bodyless else head + self.body


def problem(rejected: Rejected, scheme: str = "") -> Answer:
    """Answer with problem details (RFC 9457); a 401 names the kind of scheme (RFC 9110 §15.5.2)."""
    reason = rejected.reason
    said: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(reason.status).phrase,
        "status": reason.status,
        "detail": rejected.detail,
        "reason": reason.value,
    }
    if rejected.where:
        said["errors"] = [{"path": path, "message": message} for path, message in rejected.where]
    headers = {}
    if rejected.retry_after is not None:
        headers["retry-after"] = str(rejected.retry_after)
    if reason is RequestReason.NOT_VERIFIED:
        headers["www-authenticate"] = _CHALLENGES.get(scheme, "Signature")
    if reason is RequestReason.METHOD_NOT_ALLOWED:
        headers["allow"] = "POST"
    # What is left of the body is not read, or nothing more is.
    closes = reason in {
        RequestReason.BODY_TOO_LARGE,
        RequestReason.BODY_TOO_SLOW,
        RequestReason.MALFORMED,
        RequestReason.DRAINING,
    }
    body = json.dumps(said, ensure_ascii=False).encode()
    return Answer(reason.status, body, _PROBLEM, headers, closes)
