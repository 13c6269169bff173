"""Options that several commands share, and what they lead to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from relay.cli import show
from relay.config import Loaded, SecretsMode, load
from relay.errors import ConfigInvalid
from relay.routing.route import Route

Config = Annotated[
    Path,
    typer.Option(
        "--config", envvar="RELAY_CONFIG", help="The relay's configuration.", show_default=True
    ),
]
DEFAULT_CONFIG = Path("config/relay.yaml")
EventId = Annotated[str, typer.Argument(help="The relay's id of the event, or the sender's.")]
Sender = Annotated[str, typer.Option(help="Which sender to be, on a route that has several.")]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, the newest first.")
]
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


def pick(routes: Mapping[str, Route], name: str) -> Route:
    """Return a route by name, or say which there are and exit."""
    route = routes.get(name)
    if route is None:
        show.fail(f"there is no route {name!r}; there are: {', '.join(routes)}", 2)
    return route


def pick_sender(route: Route, sender: str) -> None:
    """Return if `sender` is one of the route's ('' of a route without named ones), or exit."""
    if sender in route.schemes:
        return
    if "" in route.schemes:
        show.fail(f"the route {route.name} has no named senders; leave --sender out", 2)
    show.fail(f"name one of its senders with --sender: {', '.join(route.schemes)}", 2)


def parse_headers(lines: list[str]) -> dict[str, str]:
    """Return `NAME: VALUE` options as headers, or exit."""
    headers = {}
    for text in lines:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            show.fail(f"{text!r} is not a header; write NAME: VALUE", 2)
        headers[name.strip().lower()] = value.strip()
    return headers
