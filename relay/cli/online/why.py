"""`relay why`: what became of an event."""

from typing import Any
from urllib.parse import quote

from rich.markup import escape

from relay.cli import options, show
from relay.cli.online.client import client


def why(
    event_id: options.EventId,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """Tell what became of an event: each delivery, each failed attempt, and why."""
    answer = client(config, url, token).get(f"/api/events/{quote(event_id, safe='')}")
    if as_json:
        show.as_json(answer)
        return
    for event in answer["events"]:
        _tell(event)


def _tell(event: dict[str, Any]) -> None:
    show.console().print(
        f"[bold]{event['id']}[/bold]  {escape(event['route'])}  {event['received']}"
    )
    for name in ("sender", "type", "key", "dedupe_id"):
        if event[name]:
            show.console().print(f"  {name:9} {escape(event[name])}")
    show.console().print(f"  {'bytes':9} {event['bytes']}")
    if event["quarantined"]:
        show.console().print(
            "  [red]quarantined[/red]: verified, but not a valid payload; nothing was forwarded"
        )
    elif not event["deliveries"]:
        show.console().print("  owes no delivery: no forward took it")
    for delivery in event["deliveries"]:
        arrow = (
            delivery["target"]
            if delivery["forward"] == delivery["target"]
            else f"{delivery['forward']} → {delivery['target']}"
        )
        show.console().print(f"  [bold]{escape(arrow)}[/bold]  {_fate(delivery)}")
        for failed in delivery["failed"]:
            status = f" {failed['status']}" if failed["status"] else ""
            show.console().print(
                f"    attempt {failed['attempt']}  {failed['at']}  {failed['duration']:.3f} s  "
                f"{failed['reason']}{status}  {escape(failed['detail'])}"
            )


def _fate(delivery: dict[str, Any]) -> str:
    attempts = f"{delivery['attempts']} attempt{'s' if delivery['attempts'] != 1 else ''}"
    match delivery["state"]:
        case "delivered":
            return f"[green]delivered[/green] {delivery['settled']} after {attempts}"
        case "dead":
            return f"[red]dead[/red] {delivery['settled']}: {delivery['reason']} after {attempts}"
        case "dropped":
            return f"dropped {delivery['settled']} by its transform"
        case state if delivery["attempts"]:
            return f"[yellow]{state}[/yellow] after {attempts}, next due {delivery['due'] or 'now'}"
        case state:
            return f"[yellow]{state}[/yellow], not attempted yet"
