"""Asking a running relay over its admin API."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from relay.cli import options, show
from relay.config import SecretsMode

_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Client:
    """Where the admin listener is, and the token it wants."""

    url: str
    token: str

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON answer to a GET, or say what failed and exit."""
        return self._fine(*self.ask("GET", path, params=query or {}))

    def post(self, path: str, body: Any) -> Any:
        """Return the JSON answer to a POST, or say what failed and exit."""
        return self._fine(*self.ask("POST", path, json=body))

    def ask(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """Return the status and the JSON answer, or say that no relay answers and exit."""
        return asyncio.run(self._ask(method, path, **request))

    def _fine(self, status: int, answer: Any) -> Any:
        if status >= 300:
            show.fail(str(answer.get("detail", status)))
        return answer

    async def _ask(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, self.url + path, headers=headers, **request) as response,
            ):
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            show.fail(
                f"no relay answers at {self.url} ({str(error) or type(error).__name__}); "
                "is it running?"
            )


def client(config: Path, url: str, token: str) -> Client:
    """Return the client for `--url` and `--token`, or for what the configuration says."""
    if url:
        return Client(url.rstrip("/"), token)
    configured = options.loaded(config, SecretsMode.READ)
    return Client(
        f"http://{configured.config.admin.listen}", token or configured.admin_token.decode()
    )
