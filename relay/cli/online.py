"""Commands that ask a running relay: why, events, dead, pause, resume."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape

from relay.cli import options, show
from relay.cli.client import client

_Target = Annotated[str, typer.Argument(help="The target's name.")]
_Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, the newest first.")
]


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


def events(
    route: Annotated[str, typer.Option(help="Only this route's.")] = "",
    type_: Annotated[str, typer.Option("--type", help="Only this type.")] = "",
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Only those in quarantine.")
    ] = False,
    limit: _Limit = 20,
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


def dead(
    target: Annotated[str, typer.Option(help="Only this target's.")] = "",
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    route: Annotated[str, typer.Option(help="Only this route's.")] = "",
    limit: _Limit = 50,
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
                one["settled"], one["event"], one["target"], one["reason"],
                one["status"] or "", one["attempts"], one["detail"],
            )
            for one in answer["dead"]
        ],
    )  # fmt: skip


def pause(
    target: _Target,
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """Make no attempt at a target until it is resumed, also after a restart; what comes for it waits."""
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
    """Go on with a target at once, whatever made it wait."""
    _steer(
        client(config, url, token).post(f"/api/targets/{quote(target)}/resume", {}), as_json=as_json
    )


def _steer(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.as_json(answer)
    else:
        show.console().print(
            f"{show.mark(ok=True)} {escape(answer['target'])} {'paused' if answer['paused'] else 'goes on'}"
        )


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


def _states(event: dict[str, Any]) -> str:
    if event["quarantined"]:
        return "quarantined"
    return ", ".join(f"{one['target']} {one['state']}" for one in event["deliveries"])
