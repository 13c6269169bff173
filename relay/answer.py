"""A whole answer in one write: what the public listener says is short, so that the way of a long one would be most of its cost."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

_SERVER = "server: relay\r\n"  # and no version: no answer tells a stranger more than it must
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n{_SERVER}" for status in HTTPStatus}


class Answer(web.StreamResponse):
    """An answer with a body that is at hand. `closes` says that the connection ends with it."""

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        *,
        closes: bool = False,
    ) -> None:
        # Of what aiohttp's own answers are made of, only what its connection asks for.
        self._status = status
        self._body_text = body
        self._content_type_text = content_type
        self._more = headers or {}
        self._keep_alive = not closes

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._status

    @property
    def body(self) -> bytes:
        """The body."""
        return self._body_text

    def force_close(self) -> None:
        """End the connection with this answer."""
        self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write all of it; raises ConnectionResetError if nobody is there any more."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection was closed before its answer")
        self._keep_alive = bool(self._keep_alive and request.keep_alive and request.version >= HttpVersion11)
        body = b"" if request.method == "HEAD" else self._body_text
        transport.write(self._head() + body)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is written."""

    def _head(self) -> bytes:
        lines = [_LINES[self._status], f"date: {rfc822_formatted_time()}\r\n"]
        if self._status != HTTPStatus.NO_CONTENT:
            lines.append(
                f"content-type: {self._content_type_text}\r\ncontent-length: {len(self._body_text)}\r\n"
            )
        lines += [f"{name}: {value}\r\n" for name, value in self._more.items()]
        if not self._keep_alive:
            lines.append("connection: close\r\n")
        lines.append("\r\n")
        return "".join(lines).encode()
