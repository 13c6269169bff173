"""A whole answer in one write: what the public listener says is short, so that the way of a long one would be most of its cost."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from aiohttp.helpers import rfc822_formatted_time

_SERVER = "server: relay\r\n"  # and no version: no answer tells a stranger more than it must
_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n{_SERVER}date: " for status in HTTPStatus
}
_NO_CONTENT = HTTPStatus.NO_CONTENT.value
_NONE: Mapping[str, str] = {}


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
            "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()]) if self.headers else ""
        )
        end = "\r\n" if stays else "connection: close\r\n\r\n"
        head = f"{_LINES[self.status]}{rfc822_formatted_time()}\r\n{content}{more}{end}".encode()
        return head if bodyless else head + self.body
