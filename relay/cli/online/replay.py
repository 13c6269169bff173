"""`relay replay`: deliver again, one event or all dead letters that a filter finds."""

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from relay.cli import options, show
from relay.cli.online.client import Client, client
from relay.clock import Steady, steady
from relay.delivery.rate import Rate, book
from relay.fields.units import parse_rate

_PAGE = 1000
_CHUNK = 200  # deliveries that are asked for together
_TICKS = 10  # requests in a second at most, if there is a rate
_SINCE = "Only of events accepted from then on, such as 2026-11-23T08:00:00Z."


def replay(
    event_id: options.EventId = "",
    target: Annotated[
        str, typer.Option(help="With an ID: to this target, whatever became of it.")
    ] = "",
    reason: Annotated[str, typer.Option(help="All dead for this reason.")] = "",
    route: Annotated[str, typer.Option(help="All dead of this route.")] = "",
    since: Annotated[str, typer.Option(help=_SINCE)] = "",
    until: Annotated[str, typer.Option(help="Only of events accepted before.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="All that is dead.")] = False,
    quarantined: Annotated[
        bool,
        typer.Option(
            "--quarantined", help="What is in quarantine: validate it again, and let it out."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be replayed.")
    ] = False,
    rate: Annotated[str, typer.Option(help="At most so many, such as 50/s.")] = "",
    config: options.Config = options.DEFAULT_CONFIG,
    url: options.Url = "",
    token: options.Token = "",
    as_json: options.AsJson = False,
) -> None:
    """Deliver again with the same webhook-id and a fresh budget.

    An ID replays what is dead of it (with --target, what that target got). Filters add up.
    """
    relay = client(config, url, token)
    narrowed = {"target": target, "reason": reason, "route": route, "since": since, "until": until}
    filtered = any((reason, route, since, until, dead, quarantined))
    if event_id and not filtered:
        _replay_event(relay, event_id, target, as_json=as_json)
        return
    if event_id or not (filtered or target):
        show.fail(
            "name an ID, or else a filter: "
            "--target --reason --route --since --until --dead --quarantined",
            2,
        )
    if quarantined and (target or reason or dead):
        show.fail(
            "what is in quarantine has no target yet: filter it by --route, --since, --until", 2
        )
    pace = _pace(rate)
    chosen = list(
        _list_quarantined(relay, narrowed) if quarantined else _list_dead(relay, narrowed)
    )
    if dry_run:
        _preview(chosen, as_json=as_json)
    else:
        _replay_all(relay, chosen, pace, as_json=as_json)


def _replay_all(
    relay: Client, chosen: list[dict[str, Any]], pace: Rate | None, *, as_json: bool
) -> None:
    replayed, refused = Counter[str](), list[dict[str, str]]()
    with Progress(console=show.errors(), disable=as_json, transient=True) as progress:
        bar = progress.add_task("replaying", total=len(chosen))
        for part in _paced(chosen, pace):
            if dead := [item for item in part if "n" in item]:
                replayed.update(relay.post("/api/replay", {"deliveries": dead})["replayed"])
            refused += _release(relay, [item for item in part if "n" not in item], replayed)
            progress.advance(bar, len(part))
    if as_json:
        show.as_json({"found": len(chosen), "replayed": dict(replayed), "refused": refused})
    else:
        for item in refused:
            show.console().print(f"{show.mark(ok=False)} {item['event']}: {escape(item['why'])}")
        show.console().print(
            f"{show.mark(ok=True)} {replayed.total()} replayed {_by_target(replayed)}"
        )
    if refused:
        raise SystemExit(1)


def _pace(rate: str) -> Rate | None:
    try:
        return parse_rate(rate) if rate else None
    except ValueError as error:
        show.fail(f"--rate: {error}", 2)


def _replay_event(relay: Client, event_id: str, target: str, *, as_json: bool) -> None:
    answer = relay.post("/api/replay", {"id": event_id, "target": target})
    if as_json:
        show.as_json(answer)
    elif answer["replayed"]:
        show.console().print(f"{show.mark(ok=True)} replayed to {', '.join(answer['replayed'])}")
    if not answer["replayed"]:
        show.fail(
            "nothing to replay: none of its deliveries is dead (name a --target to deliver again)"
        )


def _list_dead(relay: Client, narrowed: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Find every dead letter of the filter, a page at a time."""
    before = ""
    while page := relay.get("/api/dead", {**narrowed, "limit": str(_PAGE), "before": before})[
        "dead"
    ]:
        for item in page:
            yield {
                "event": item["event"],
                "n": item["n"],
                "target": item["target"],
                "reason": item["reason"],
            }
        before = page[-1]["event"]


def _list_quarantined(relay: Client, narrowed: dict[str, str]) -> Iterator[dict[str, Any]]:
    query = {**narrowed, "limit": str(_PAGE), "quarantined": "true"}
    before = ""
    while page := relay.get("/api/events", {**query, "before": before})["events"]:
        for item in page:
            yield {"event": item["id"], "target": item["route"], "reason": "quarantined"}
        before = page[-1]["id"]


def _release(
    relay: Client, part: list[dict[str, Any]], replayed: Counter[str]
) -> list[dict[str, str]]:
    refused = []
    for item in part:
        status, answer = relay.ask("POST", "/api/replay", json={"id": item["event"]})
        if status < 300:
            replayed.update(answer["replayed"])
        else:
            refused.append({"event": item["event"], "why": str(answer.get("detail", status))})
    return refused


def _paced(chosen: list[dict[str, Any]], rate: Rate | None) -> Iterator[list[dict[str, Any]]]:
    """Give the list in parts, no faster than the rate."""
    rest, due, size = iter(chosen), Steady(0.0), _CHUNK
    if rate is not None:
        size = max(1, min(_CHUNK, int(rate.count / rate.seconds / _TICKS)))
        rate = Rate(rate.count / size, rate.seconds)
    while part := list(islice(rest, size)):
        if rate is not None:
            due, seconds = book(rate, due, steady())
            time.sleep(seconds)
        yield part


def _preview(chosen: list[dict[str, Any]], *, as_json: bool) -> None:
    counted = Counter((item["target"], item["reason"]) for item in chosen)
    if as_json:
        counts = [
            {"target": target, "reason": reason, "count": n}
            for (target, reason), n in counted.items()
        ]
        show.as_json({"found": len(chosen), "would_replay": counts})
        return
    show.table(
        ("target", "reason", "count"), [(*key, count) for key, count in sorted(counted.items())]
    )
    show.console().print(f"{len(chosen)} would be replayed")


def _by_target(replayed: Counter[str]) -> str:
    return ", ".join(f"{target} {count}" for target, count in sorted(replayed.items()))
