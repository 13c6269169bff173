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
    for one in event["deliveries"]:
        arrow = (
            one["target"]
            if one["forward"] == one["target"]
            else f"{one['forward']} → {one['target']}"
        )
        show.console().print(f"  [bold]{escape(arrow)}[/bold]  {_fate(one)}")
        for failed in one["failed"]:
            status = f" {failed['status']}" if failed["status"] else ""
            show.console().print(
                f"    attempt {failed['attempt']}  {failed['at']}  {failed['duration']:.3f} s  "
                f"{failed['reason']}{status}  {escape(failed['detail'])}"
            )


def _fate(one: dict[str, Any]) -> str:
    attempts = f"{one['attempts']} attempt{'s' if one['attempts'] != 1 else ''}"
    match one["state"]:
        case "delivered":
            return f"[green]delivered[/green] {one['settled']} after {attempts}"
        case "dead":
            return f"[red]dead[/red] {one['settled']}: {one['reason']} after {attempts}"
        case "dropped":
            return f"dropped {one['settled']} by its transform"
        case state if one["attempts"]:
            return f"[yellow]{state}[/yellow] after {attempts}, next due {one['due'] or 'now'}"
        case state:
            return f"[yellow]{state}[/yellow], not attempted yet"
