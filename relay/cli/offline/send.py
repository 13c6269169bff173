"""`relay send`: post to a running relay as a sender would, signed with the route's own secret."""

import asyncio
import json
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from relay.cli import options, show
from relay.clock import wall
from relay.config import SecretsMode

_TIMEOUT = 30.0  # seconds


def send(
    route: Annotated[str, typer.Argument(help="The route's name.")],
    file: Annotated[Path, typer.Argument(help="The body; - for standard input.")] = Path("-"),
    header: Annotated[list[str], typer.Option("--header", "-H", help="NAME: VALUE")] = [],
    sender: options.Sender = "",
    config: options.Config = options.DEFAULT_CONFIG,
    as_json: options.AsJson = False,
) -> None:
    """Sign a body with the route's own secret, post it, and print the answer."""
    loaded = options.loaded(config, SecretsMode.READ)
    selected = options.pick(loaded.routes, route)
    options.pick_sender(selected, sender)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        show.fail(f"{file}: {error.strerror}", 2)
    signed = selected.schemes[sender].sign(body, f"msg_{secrets.token_hex(12)}", wall())
    headers = {
        "content-type": "application/json",
        **options.parse_headers(header),
        **signed.headers,
    }
    (path,) = (path for path, who in selected.paths.items() if who == sender)
    url = f"http://{loaded.config.listen}{path}"
    status, answer = asyncio.run(_post(url, body, headers))
    if as_json:
        show.as_json({"status": status, "answer": answer})
    else:
        show.console().print(
            f"{show.mark(ok=status < 300)} {status} {json.dumps(answer, ensure_ascii=False)}"
        )
        if isinstance(answer, dict) and "id" in answer:
            show.console().print(f"  what became of it: relay why {answer['id']}")
    if status >= 300:
        raise SystemExit(1)


async def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            text = await response.text()
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        show.fail(
            f"no relay answers at {url} ({str(error) or type(error).__name__}); is it running?"
        )
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text
