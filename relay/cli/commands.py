"""All commands by name: the module of the named one alone is imported, for the list of all none."""

import ast
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import typer

# In the order in which help lists them: name, module under relay.cli, function.
_COMMANDS = (
    ("run", "run", "run"),
    ("check", "offline.check", "check"),
    ("routes", "offline.routes", "routes"),
    ("try", "offline.try_", "try_"),
    ("test", "offline.test", "test"),
    ("send", "offline.send", "send"),
    ("sink", "offline.sink", "sink"),
    ("why", "online.why", "why"),
    ("events", "online.events", "events"),
    ("dead", "online.dead", "dead"),
    ("replay", "online.replay", "replay"),
    ("export", "online.export", "export"),
    ("pause", "online.pause", "pause"),
    ("resume", "online.pause", "resume"),
    ("schema", "offline.schema", "schema"),
    ("version", "offline.version", "version"),
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
    for name, module, function in _COMMANDS:
        if named == name:
            app.command(name)(getattr(import_module(f"relay.cli.{module}"), function))
            return app
    for name, module, function in _COMMANDS:
        app.command(name, help=_told(module, function))(_listed)
    return app


def _told(module: str, function: str) -> str:
    """Return a command's docstring, out of its module's source."""
    spec = find_spec(f"relay.cli.{module}")
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_bytes())
    definition = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return ast.get_docstring(definition) or ""


def _listed() -> None:
    """Stand for a command in the list of all: one that is to run is the one that is named."""


def _relay() -> None:
    """Say that there are commands, also where only one is built."""


def main() -> None:
    """Run the command line."""
    build(next((argument for argument in sys.argv[1:] if argument != "--"), ""))()
