"""Options that several commands share, and what they lead to."""

from pathlib import Path
from typing import Annotated

import typer

from relay.cli import show
from relay.config import Loaded, SecretsMode, load
from relay.errors import ConfigInvalid

Config = Annotated[
    Path,
    typer.Option(
        "--config", envvar="RELAY_CONFIG", help="The relay's configuration.", show_default=True
    ),
]
DEFAULT_CONFIG = Path("config/relay.yaml")
EventId = Annotated[str, typer.Argument(help="The relay's id of the event, or the sender's.")]
Sender = Annotated[str, typer.Option(help="Which sender to be, on a route that has several.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[
    str, typer.Option("--url", help="The admin listener, if it is not the configuration's.")
]
Token = Annotated[
    str,
    typer.Option(
        "--token", envvar="RELAY_TOKEN", help="The admin token, if not the configuration's."
    ),
]


def loaded(config: Path, mode: SecretsMode) -> Loaded:
    """Read a configuration, or print all its problems and exit."""
    if not config.is_file():
        show.fail(f"there is no {config}; name a configuration with --config", 2)
    try:
        return load(config, mode)
    except ConfigInvalid as error:
        show.invalid(error)
