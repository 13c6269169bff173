"""HTTP/1.1 on the admin listener: what aiohttp's parser refuses is answered like everything else, and its bytes shown to nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Refuse = Callable[[str], web.StreamResponse]


class StrictServer(web.Server):
    """A server whose connections hand requests to `handler`, and what is none to `refuse`, with the parser's words."""

    def __init__(
        self, handler: Handler, refuse: Refuse, *, request_factory: Any = None, **options: Any
    ) -> None:
        super().__init__(handler, request_factory=request_factory, **options)
        self._refuse = refuse
        self._options = options

    def __call__(self) -> RequestHandler:
        """Return the protocol of a new connection."""
        return _Connection(self, self._refuse, asyncio.get_running_loop(), self._options)


class StrictRunner(web.AppRunner):
    """Runs an application on a StrictServer."""

    __slots__ = ("_options", "_refuse")

    def __init__(self, app: web.Application, refuse: Refuse, **options: Any) -> None:
        super().__init__(app, **options)
        self._refuse = refuse
        self._options = {
            name: value for name, value in options.items() if name != "shutdown_timeout"
        }

    async def _make_server(self) -> StrictServer:
        made = await super()._make_server()
        return StrictServer(
            made.request_handler,
            self._refuse,
            request_factory=made.request_factory,
            **self._options,
        )


class _Connection(RequestHandler):
    __slots__ = ("_refuse",)

    def __init__(
        self,
        server: StrictServer,
        refuse: Refuse,
        loop: asyncio.AbstractEventLoop,
        options: dict[str, Any],
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self._refuse = refuse

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused, and close the connection: where its next request begins is unknown."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer is sent already")
        response = self._refuse(message or str(exc) or type(exc).__name__)
        response.force_close()
        return response
