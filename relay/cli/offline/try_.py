"""`relay try`: one request walked through a route, step by step; nothing is sent."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from relay.cli import options, show
from relay.config import SecretsMode
from relay.routing.sample import SampleInvalid, read_sample
from relay.routing.transform import Outgoing
from relay.routing.trial import Trial, walk


def try_(
    route: Annotated[str, typer.Argument(help="The route's name.")],
    file: Annotated[
        Path, typer.Argument(help="A body, or a sample (samples/NAME.json); - for standard input.")
    ],
    header: Annotated[list[str], typer.Option("--header", "-H", help="NAME: VALUE")] = [],
    sender: options.Sender = "",
    config: options.Config = options.DEFAULT_CONFIG,
    as_json: options.AsJson = False,
) -> None:
    """Walk a request through a route and show each step; nothing is sent."""
    loaded = options.loaded(config, SecretsMode.PRETEND)
    selected = options.pick(loaded.routes, route)
    headers = {"content-type": "application/json"} | options.parse_headers(header)
    signed, query = True, dict[str, str]()
    try:
        if file.parent.name == "samples":
            sample = read_sample(file)
            raw, headers = sample.raw, {**sample.headers, **options.parse_headers(header)}
            sender, signed, query = sender or sample.sender, sample.signed, dict(sample.query)
        else:
            raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except (OSError, SampleInvalid) as error:
        show.fail(str(error), 2)
    options.pick_sender(selected, sender)
    result = walk(selected, loaded.targets, raw, headers, query=query, sender=sender, signed=signed)
    ok = all(step.ok for step in result.steps)
    if as_json:
        show.as_json(_trial_json(result, ok=ok))
    else:
        for step in result.steps:
            detail = escape(step.detail).replace("\n", "\n    ")
            show.console().print(
                f"{show.mark(ok=step.ok)} [bold]{escape(step.name)}[/bold] {detail}"
            )
        for sent in result.sent:
            if sent.request is not None:
                show.console().print(f"\n[bold]{escape(sent.target)}[/bold] gets")
                show.console().print(escape(_request_text(sent.request)))
    if not ok:
        raise SystemExit(1)


def _request_text(request: Outgoing) -> str:
    try:
        body = json.dumps(json.loads(request.body), ensure_ascii=False, indent=2)
    except ValueError:
        body = request.body.decode("utf-8", "replace")
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"{headers}\n\n{body}"


def _trial_json(result: Trial, *, ok: bool) -> dict[str, object]:
    return {
        "ok": ok,
        "refusal": result.refusal.reason.value if result.refusal else None,
        "steps": [
            {"name": step.name, "ok": step.ok, "detail": step.detail} for step in result.steps
        ],
        "requests": [
            {
                "forward": sent.forward,
                "target": sent.target,
                "error": sent.error,
                "headers": sent.request.headers if sent.request else None,
                "body": sent.request.body.decode("utf-8", "replace") if sent.request else None,
            }
            for sent in result.sent
        ],
    }
