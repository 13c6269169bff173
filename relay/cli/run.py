"""`relay run`: the relay, until it is told to stop."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from relay.app import Relay
from relay.cli import log, options, show
from relay.code.deadline import disown_alarm, own_alarm
from relay.config import Loaded, SecretsMode
from relay.errors import LibraryUnusable, StoreUnusable

_YOUNG = 2000  # objects, beyond those that went, before the collector looks


def run(
    config: options.Config = options.DEFAULT_CONFIG,
    watch: Annotated[bool, typer.Option("--watch", help="Reload whenever a file changes.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Start the relay. SIGTERM and SIGINT stop it, losing nothing; SIGHUP reloads its files."""
    log.to_stderr()
    loaded = options.loaded(config, SecretsMode.CREATE)
    for warning in loaded.warnings:
        show.errors().print(f"[yellow]warning[/yellow]: {warning}")
    own_alarm()
    try:
        uvloop.run(serve(loaded, _print_json if as_json else _print_greeting, watch=watch))
    except (LibraryUnusable, StoreUnusable) as error:
        show.fail(str(error))
    except OSError as error:
        show.fail(f"{error}; is another relay running, or is the address not this machine's?")
    finally:
        disown_alarm()  # a tick after the interpreter's own end would be the process' death


async def serve(loaded: Loaded, greet: Callable[[Loaded, Relay], None], *, watch: bool) -> None:
    """Run a relay until a signal comes; `greet` is called once it listens."""
    relay = Relay(loaded)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: int) -> None:
        if stop.is_set():
            # Whoever asks twice does not want to wait; what was accepted is on disk.
            structlog.get_logger("relay").warning("stopped_at_once")
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop, number)
    started = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(_reload(relay, started))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(
        signal.SIGHUP, reload
    )  # before the start: it would end a relay that is reading its store
    await relay.start()
    started.set()
    watching = None
    if watch:
        from relay.cli.watch import reload_on_change

        watching = asyncio.create_task(reload_on_change(loaded, reload))
    greet(loaded, relay)
    _spare_collector()
    ends = [asyncio.create_task(stop.wait()), asyncio.create_task(relay.failed.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    structlog.get_logger("relay").info("stopping")
    if watching is not None:
        watching.cancel()
    await relay.stop()
    structlog.get_logger("relay").info("stopped")
    if relay.stuck:
        os._exit(0)  # an orderly end would wait for that thread
    if relay.failed.is_set():
        raise StoreUnusable(
            "the store failed; see the log. Check the disk before the relay is started again"
        )


async def _reload(relay: Relay, started: asyncio.Event) -> None:
    await started.wait()
    with contextlib.suppress(
        Exception
    ):  # the relay has logged every problem, and goes on as before
        await relay.reload()


def _addresses(loaded: Loaded, relay: Relay) -> tuple[dict[str, str], str]:
    """Return each incoming URL with its scheme, and the admin listener's URL."""
    public = f"http://{loaded.config.listen.rpartition(':')[0]}:{relay.public_port}"
    incoming = {
        f"{public}{path}": route.schemes[sender].name
        for route in loaded.routes.values()
        for path, sender in route.paths.items()
    }
    return incoming, f"http://{loaded.config.admin.listen.rpartition(':')[0]}:{relay.admin_port}"


def _print_json(loaded: Loaded, relay: Relay) -> None:
    incoming, admin = _addresses(loaded, relay)
    addresses = {"incoming": list(incoming), "console": f"{admin}/", "metrics": f"{admin}/metrics"}
    print(json.dumps(addresses), flush=True)


def _print_greeting(loaded: Loaded, relay: Relay) -> None:
    incoming, admin = _addresses(loaded, relay)
    print("relay is running; stop it with Ctrl-C\n")
    print(f"  console   {admin}/\n  metrics   {admin}/metrics\n\n  incoming")
    for url, scheme in incoming.items():
        print(f"    POST {url}  ({scheme})")
    if loaded.routes:
        name = "hello" if "hello" in loaded.routes else next(iter(loaded.routes))
        command = Path(sys.argv[0]).resolve()
        shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
        print("\n  try it, in another terminal:")
        sender = next(iter(loaded.routes[name].schemes))
        option = f" --sender {sender}" if sender else ""
        print(f'    echo \'{{"name": "Lan"}}\' | {shown} send {name}{option}\n', flush=True)


def _spare_collector() -> None:
    """Have the collector look through less: a fifth and a tenth of a GitHub push's CPU time.

    Modules and configuration live as long as the process, and are left out. Young objects are
    looked through every 2,000, as CPython does by default since 3.13, and not every 700.
    `make bench` shows both; instructions hardly do, and no test holds them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(max(_YOUNG, gc.get_threshold()[0]), 10, 10)
