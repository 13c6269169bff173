"""`relay dead`: dead letters, the newest events' first."""

from typing import Annotated

import typer

from relay.cli import options, show
from relay.cli.online.client import client


def dead(
    target: Annotated[str, typer.Option(help="Only this target's.")] = "",
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    route: Annotated[str, typer.Option(help="Only this route's.")] = "",
    limit: options.Limit = 50,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """List dead letters."""
    query = {"target": target, "reason": reason, "route": route, "limit": str(limit)}
    answer = client(config, url, token).get("/api/dead", query)
    if as_json:
        show.as_json(answer)
        return
    show.table(
        ("died", "event", "target", "reason", "status", "attempts", "detail"),
        [
            (
                letter["settled"], letter["event"], letter["target"], letter["reason"],
                letter["status"] or "", letter["attempts"], letter["detail"],
            )
            for letter in answer["dead"]
        ],
    )  # fmt: skip
