"""A listener of either side: aiohttp's low-level server, but for its answer to malformed bytes.

Parsing, pipelining, keep-alive, timeouts and flow control are aiohttp's, by its public API. Its own
answer to malformed bytes, and its log, repeat these bytes, which may hold a secret.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Refuse = Callable[[str], web.StreamResponse]


class Listener(web.Server):
    """Hands requests to `handle`, and the parser's complaint about malformed bytes to `refuse`.

    `options` are those of aiohttp's RequestHandler: times in seconds, sizes in bytes.
    """

    def __init__(
        self, handle: Handle, refuse: Refuse, *, request_factory: Any = None, **options: Any
    ) -> None:
        super().__init__(handle, request_factory=request_factory)
        self._refuse = refuse
        self._options: dict[str, Any] = {"access_log": None, **options}

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return _Connection(self, self._refuse, self._options)


class _Connection(web.RequestHandler):
    __slots__ = ("_refuse",)

    def __init__(self, listener: Listener, refuse: Refuse, options: dict[str, Any]) -> None:
        super().__init__(listener, loop=asyncio.get_running_loop(), **options)
        self._refuse = refuse

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed bytes, and close: where the next request begins is unknown."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer is sent already")
        response = self._refuse(message or str(exc) or type(exc).__name__)
        response.force_close()
        return response
