"""`relay events`: the newest events."""

from typing import Annotated, Any

import typer

from relay.cli import options, show
from relay.cli.online.client import client


def events(
    route: Annotated[str, typer.Option(help="Only this route's.")] = "",
    type_: Annotated[str, typer.Option("--type", help="Only this type.")] = "",
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Only those in quarantine.")
    ] = False,
    limit: options.Limit = 20,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """List the newest events."""
    query = {"route": route, "type": type_, "limit": str(limit)}
    if quarantined:
        query["quarantined"] = "true"
    answer = client(config, url, token).get("/api/events", query)
    if as_json:
        show.as_json(answer)
        return
    show.table(
        ("received", "id", "route", "type", "deliveries"),
        [
            (event["received"], event["id"], event["route"], event["type"], _states(event))
            for event in answer["events"]
        ],
    )


def _states(event: dict[str, Any]) -> str:
    if event["quarantined"]:
        return "quarantined"
    return ", ".join(
        f"{delivery['target']} {delivery['state']}" for delivery in event["deliveries"]
    )
