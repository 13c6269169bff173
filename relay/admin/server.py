"""The admin listener's runner: an aiohttp application behind the relay's own listener."""

from typing import Any

from aiohttp import web

from relay.http.listener import Listener, Refuse


class AdminRunner(web.ServerRunner):
    """Runs an application on a Listener; `options` are those of aiohttp's RequestHandler.

    `shutdown_timeout` is in seconds: how long connections that are not idle may take to end.
    """

    def __init__(
        self, app: web.Application, refuse: Refuse, *, shutdown_timeout: float, **options: Any
    ) -> None:
        # aiohttp's own runner makes the application's handler and requests; it listens nowhere.
        self._application = web.AppRunner(app)
        super().__init__(
            Listener(self._handle, refuse, request_factory=self._request, **options),
            shutdown_timeout=shutdown_timeout,
        )

    async def setup(self) -> None:
        """Start the application, then what listens."""
        await self._application.setup()
        await super().setup()

    async def cleanup(self) -> None:
        """Stop listening, end the connections, then the application."""
        await super().cleanup()
        await self._application.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._application.server is not None
        return await self._application.server.request_handler(request)

    def _request(self, *parts: Any) -> web.BaseRequest:
        assert self._application.server is not None
        return self._application.server.request_factory(*parts)
