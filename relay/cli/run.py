"""`relay run`: the relay, until it is told to stop."""

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from relay.app import Relay
from relay.cli import options, show
from relay.config import Loaded, SecretsMode
from relay.errors import StoreUnusable

_COLLECT = (20_000, 20, 20)  # objects more than before, then generations


def run(config: options.Config = options.DEFAULT_CONFIG) -> None:
    """Start the relay; SIGTERM and SIGINT stop it without losing anything."""
    _log_to_stderr()
    loaded = options.loaded(config, SecretsMode.CREATE)
    for warning in loaded.warnings:
        show.errors.print(f"[yellow]warning[/yellow]: {warning}")
    try:
        uvloop.run(serve(loaded))
    except StoreUnusable as error:
        show.fail(str(error))
    except OSError as error:
        show.fail(f"{error}; is another relay running, or is the address not this machine's?")


async def serve(loaded: Loaded) -> None:
    """Run a relay until a signal comes."""
    relay = Relay(loaded)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await relay.start()
    _calm_collector()
    _greet(loaded, relay)
    await stop.wait()
    structlog.get_logger("relay").info("stopping")
    await relay.stop()
    structlog.get_logger("relay").info("stopped")


def _greet(loaded: Loaded, relay: Relay) -> None:
    host = loaded.config.listen.rpartition(":")[0]
    admin = loaded.config.admin.listen.rpartition(":")[0]
    print(f"relay is running; stop it with Ctrl-C\n\n  console   http://{admin}:{relay.admin_port}/")
    print(f"  metrics   http://{admin}:{relay.admin_port}/metrics\n\n  incoming")
    for route in loaded.routes.values():
        for sender, scheme in route.schemes.items():
            path = f"{route.path}/{sender}" if sender else route.path
            print(f"    POST http://{host}:{relay.public_port}{path}  ({scheme.name})")
    if loaded.routes:
        name = "hello" if "hello" in loaded.routes else next(iter(loaded.routes))
        command = Path(sys.argv[0]).resolve()
        shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
        print(
            f'\n  try it, in another terminal:\n    echo \'{{"name": "Lan"}}\' | {shown} send {name}\n',
            flush=True,
        )


def _calm_collector() -> None:
    """Spare the garbage collector what lives as long as the process; the rest nearly all goes by reference count."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
