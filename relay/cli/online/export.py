"""`relay export`: the accepted events of a route as JSON Lines, the oldest first."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import aiohttp
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from yarl import URL

from relay.cli import options, show
from relay.cli.online.client import Client, client
from relay.event import SEQ_SHIFT, parse_id

_PATIENCE = 60.0  # seconds for a page
_SINCE = "Only events accepted from then on, such as 2026-11-23T08:00:00Z."
_STDOUT = Path("-")
Tell = Callable[
    [int, float], None
]  # events so far, and until when (seconds since the epoch) all are there


def export(
    route: Annotated[str, typer.Option(help="Whose events.")],
    type_: Annotated[str, typer.Option("--type", help="Only this type.")] = "",
    since: Annotated[str, typer.Option(help=_SINCE)] = "",
    until: Annotated[str, typer.Option(help="Only events accepted before.")] = "",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; - for standard output.")
    ] = _STDOUT,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """Write the accepted events of a route as JSON Lines, the oldest first.

    Events in quarantine are not accepted yet. A file appears whole or not at all.
    """
    end = _moment("--until", until) or time.time()
    _moment("--since", since)
    relay = client(config, url, token)
    query = {"route": route, "type": type_, "since": since, "until": until}
    try:
        with _opened(output) as file, _progress(end) as tell:
            count = asyncio.run(_copy(relay, query, file, tell))
            if not count and all(
                listed["route"] != route for listed in relay.get("/api/routes")["routes"]
            ):
                show.fail(f"there is no route {route!r}, and no event of it")
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # Python would flush into it at exit
        raise SystemExit(1) from None
    except OSError as error:
        show.fail(f"{output}: {error.strerror}")
    if output == _STDOUT:
        return
    if as_json:
        show.as_json({"events": count, "file": str(output)})
    else:
        show.console().print(f"{show.mark(ok=True)} {count} events in {output}")


async def _copy(relay: Client, query: Mapping[str, str], file: BinaryIO, tell: Tell) -> int:
    """Write page after page; return how many events there were, or say what failed and exit."""
    headers = {"authorization": f"Bearer {relay.token}"} if relay.token else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_PATIENCE, sock_connect=_PATIENCE)
    count, page = 0, URL(relay.url + "/api/export").with_query(query)
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            while True:
                async with session.get(page) as response:
                    if response.status != 200:
                        show.fail(
                            str(
                                (await response.json(content_type=None)).get(
                                    "detail", response.status
                                )
                            )
                        )
                    text = await response.read()
                    file.write(text)
                    count += text.count(b"\n")
                    if "next" not in response.links:
                        return count
                    page = URL(response.links["next"]["url"])
                    at = parse_id(page.query["after"])
                    tell(count, (at[0] >> SEQ_SHIFT) / 1000 if at else 0.0)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        show.fail(
            f"the relay at {relay.url} does not answer ({str(error) or type(error).__name__})"
        )


@contextlib.contextmanager
def _opened(output: Path) -> Iterator[BinaryIO]:
    """Open a file beside `output`, which takes its place once all is written and synced."""
    if output == _STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(output)
    except BaseException:
        Path(name).unlink()
        raise


@contextlib.contextmanager
def _progress(end: float) -> Iterator[Tell]:
    """Show how far the export is by the events' times, since nobody has counted them."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    console = show.errors()
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as progress:
        bar = progress.add_task("exporting", total=None)
        began = 0.0

        def tell(count: int, at: float) -> None:
            """Show that `count` events are there; the last came `at` seconds since the epoch."""
            nonlocal began
            began = began or at
            progress.update(
                bar,
                total=max(end - began, 0.001),
                completed=at - began,
                description=f"{count} events",
            )

        yield tell


def _moment(name: str, text: str) -> float:
    """Return a time in seconds since the epoch, 0 for none, or exit."""
    if not text:
        return 0.0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        show.fail(f"{name}: a time is written such as 2026-11-23T08:00:00Z", 2)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
