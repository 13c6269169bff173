"""`relay pause` and `relay resume`: attempts at a target stop, and go on."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape

from relay.cli import options, show
from relay.cli.online.client import client

_Target = Annotated[str, typer.Argument(help="The target's name.")]


def pause(
    target: _Target,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """Make no attempt at a target until it is resumed, also after a restart; deliveries wait."""
    _steer(
        client(config, url, token).post(f"/api/targets/{quote(target)}/pause", {}), as_json=as_json
    )


def resume(
    target: _Target,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """Make attempts at a target again, at once."""
    _steer(
        client(config, url, token).post(f"/api/targets/{quote(target)}/resume", {}), as_json=as_json
    )


def _steer(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.as_json(answer)
    else:
        state = "paused" if answer["paused"] else "goes on"
        show.console().print(f"{show.mark(ok=True)} {escape(answer['target'])} {state}")
