"""`relay sink`: a target for trying things out: prints what it gets, and misbehaves on demand."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from relay.cli import options, show
from relay.sink.faults import FAULTS, Fault, parse
from relay.sink.request import Heard
from relay.sink.server import serve

_NAMES = "; ".join(f"{name}: {(kind.__doc__ or '').rstrip('.')}" for name, kind in FAULTS.items())


def sink(
    listen: Annotated[str, typer.Option(help="HOST:PORT")] = "127.0.0.1:9000",
    fault: Annotated[
        str, typer.Option(help=f"How to answer, NAME or NAME=VALUE. {_NAMES}.")
    ] = "status=200",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print one line a request.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Listen as a target, print each request, and answer as told: by default with 200."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        show.fail(f"{listen!r} is not HOST:PORT", 2)
    try:
        chosen = parse(fault)
    except ValueError as error:
        show.fail(f"--fault: {error}", 2)

    def heard(request: Heard) -> None:
        _print(request, quiet=quiet, as_json=as_json)

    try:
        asyncio.run(_listen(chosen, heard, host.strip("[]"), int(port)))
    except OSError as error:
        show.fail(f"{error}; is the address this machine's, and free?")


async def _listen(fault: Fault, heard: Callable[[Heard], None], host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await serve(fault, heard, host, port)
    address = server.sockets[0].getsockname()
    show.errors().print(
        f"listening on http://{host}:{address[1]}/ ({escape(str(fault))}); stop it with Ctrl-C"
    )
    await stop.wait()
    server.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), 1)


def _print(request: Heard, *, quiet: bool, as_json: bool) -> None:
    text = request.body.decode("utf-8", "replace")
    if as_json:
        show.as_json(
            {
                "number": request.number, "method": request.method, "path": request.path,
                "headers": dict(request.headers), "body": text,
            }
        )  # fmt: skip
        return
    show.console().print(f"[bold]{request.number}  {request.method} {escape(request.path)}[/bold]")
    if not quiet:
        for name, value in request.headers.items():
            show.console().print(f"  {escape(name)}: {escape(value)}")
        show.console().print(f"\n  {escape(text)}\n")
