"""All commands by name; of one that is named, its own module alone is imported, so that it starts soon."""

import gc
import sys
from importlib import import_module

import typer

_COLLECT = (
    50_000,
    20,
    20,
)  # what modules and configurations are made of stays; it is not looked through so often
# In the order in which help lists them: name, module, function.
_COMMANDS = (
    ("run", "run", "run"),
    ("check", "offline", "check"),
    ("routes", "offline", "routes"),
    ("try", "offline", "try_"),
    ("test", "offline", "test"),
    ("send", "send", "send"),
    ("sink", "sink", "sink"),
    ("why", "online", "why"),
    ("events", "online", "events"),
    ("dead", "online", "dead"),
    ("replay", "replay", "replay"),
    ("export", "export", "export"),
    ("pause", "online", "pause"),
    ("resume", "online", "resume"),
    ("schema", "offline", "schema"),
    ("version", "version", "version"),
)


def build(named: str = "") -> typer.Typer:
    """Return the command line with the command that is named, or with all if none is called so."""
    app = typer.Typer(
        name="relay",
        help="A webhook relay that loses nothing.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_relay)
    chosen = [command for command in _COMMANDS if command[0] == named]
    for name, module, function in chosen or _COMMANDS:
        app.command(name)(getattr(import_module(f"relay.cli.{module}"), function))
    return app


def _relay() -> None:
    """Say that there are commands, also where only one is built."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(*_COLLECT)
    build(sys.argv[1] if len(sys.argv) > 1 else "")()
