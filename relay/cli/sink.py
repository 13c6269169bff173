"""`relay sink`: a target for trying things out: prints what it gets; fails, stalls or trickles on demand."""

import asyncio
import itertools
from typing import Annotated

import typer
from aiohttp import web
from rich.markup import escape

from relay.cli import options, show


def sink(
    listen: Annotated[str, typer.Option(help="HOST:PORT")] = "127.0.0.1:9000",
    status: Annotated[int, typer.Option(min=200, max=599, help="What to answer.")] = 200,
    fail_first: Annotated[int, typer.Option(min=0, help="Answer 500 to this many requests first.")] = 0,
    stall: Annotated[float, typer.Option(min=0, help="Seconds to wait before answering.")] = 0,
    trickle: Annotated[float, typer.Option(min=0, help="Seconds between the bytes of the answer.")] = 0,
    retry_after: Annotated[str, typer.Option(help="A Retry-After header to answer with.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print one line a request.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Listen as a target, print each request, and answer as told."""
    numbers = itertools.count(1)

    async def handle(request: web.Request) -> web.StreamResponse:
        number = next(numbers)
        body = await request.read()
        code = 500 if number <= fail_first else status
        if as_json:
            show.as_json(
                {
                    "method": request.method, "path": request.path_qs, "answered": code,
                    "headers": dict(request.headers), "body": body.decode("utf-8", "replace"),
                }
            )  # fmt: skip
        else:
            show.console.print(f"[bold]{request.method} {escape(request.path_qs)}[/bold] answered {code}")
            if not quiet:
                for name, value in request.headers.items():
                    show.console.print(f"  {escape(name.lower())}: {escape(value)}")
                show.console.print(f"\n  {escape(body.decode('utf-8', 'replace'))}\n")
        if stall:
            await asyncio.sleep(stall)
        headers = {"retry-after": retry_after} if retry_after else {}
        response = web.StreamResponse(status=code, headers=headers)
        await response.prepare(request)
        for letter in b"sink\n":
            await asyncio.sleep(trickle)
            await response.write(bytes([letter]))
        await response.write_eof()
        return response

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        show.fail(f"{listen!r} is not HOST:PORT", 2)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", handle)
    web.run_app(app, host=host.strip("[]"), port=int(port), access_log=None, print=show.errors.print)
