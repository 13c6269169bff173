"""A connection of the public listener: aiohttp's, but for what it does between a request that was read and its answer.

Parsing, pipelining, timeouts and flow control are aiohttp's. What it makes of a request for an application is left
out (a URL, cookies, a writer of answers in parts, a task for each): here an answer is short and at hand.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.helpers import set_exception
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from relay.http.answer import Answer

_LINGER = 10.0  # seconds for the rest of a body that nobody wants: who is still sending would not read the answer


class Asked:
    """One request as its connection has read it; `content` is its body, as far as that has come."""

    __slots__ = ("content", "headers", "method", "path", "transport")

    def __init__(
        self, message: RawRequestMessage, content: StreamReader, transport: asyncio.Transport
    ) -> None:
        self.method: str = message.method
        self.path: str = message.path  # with the query, as it was sent
        self.headers: Mapping[str, str] = message.headers
        self.content = content
        self.transport = transport

    def _cancel(self, error: BaseException) -> None:
        """Tell who waits for the body that the connection is lost; aiohttp calls this."""
        set_exception(self.content, error)


Respond = Callable[[Asked], Awaitable[Answer]]
Refuse = Callable[[str], Answer]


class Listener(web.Server):
    """A server whose connections have requests answered by `respond`, and by `refuse` what is none, given the parser's words."""

    def __init__(self, respond: Respond, refuse: Refuse, **options: Any) -> None:
        super().__init__(_no_application, **options)
        self._respond = respond
        self._refuse = refuse
        self._options = options

    def __call__(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        return Connection(self, self._respond, self._refuse, self._options)


class Connection(RequestHandler):
    """Answers one request after the other."""

    __slots__ = ("_refuse", "_respond")

    def __init__(
        self, listener: Listener, respond: Respond, refuse: Refuse, options: Mapping[str, Any]
    ) -> None:
        super().__init__(listener, loop=asyncio.get_running_loop(), **options)
        self._respond = respond
        self._refuse = refuse

    async def start(self) -> None:
        """Answer requests until the connection ends."""
        messages = self._messages
        while not self._force_close:
            if not messages:
                await self._next()
            message, content = messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            if not await self._exchange(message, content):
                break
            self._stay()
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Go on reading, if it was paused; aiohttp's own has the parser look once more for each body that is read."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def _next(self) -> None:
        """Wait for the next request; who closes an idle connection cancels this."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _exchange(self, message: Any, content: StreamReader) -> bool:
        """Answer one request; return whether there may be another."""
        transport = self.transport
        if transport is None:
            return False
        self._request_in_progress = True
        try:
            if isinstance(message, RawRequestMessage):
                asked: Any = Asked(message, content, transport)
                self._current_request = asked
                answer = await self._respond(asked)
                # After an upgrade that is not taken up, where the next request begins is unknown.
                stays = not (answer.closes or message.should_close or message.upgrade)
                stays = stays and message.version >= HttpVersion11
                written = answer.written(stays=stays, bodyless=message.method == "HEAD")
            else:
                stays, written = False, self._refuse(message.message).written(stays=False)
            if transport.is_closing():
                return False
            transport.write(written)
        finally:
            self._current_request = None
            self._request_in_progress = False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        if not content.is_eof():
            await _linger(content)
            stays = stays and content.is_eof()
        return stays and not self._close

    def _stay(self) -> None:
        """Give the other side time for its next request."""
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )


async def _linger(content: StreamReader) -> None:
    """Read what is left of a body, and forget it."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LINGER):
            while not content.is_eof():
                await content.readany()


async def _no_application(_request: web.BaseRequest) -> web.StreamResponse:
    raise NotImplementedError  # connections answer by themselves
