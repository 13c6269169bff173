"""Commands that need no running relay: check, routes, try, test, schema."""

import json
import sys
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter
from rich.markup import escape

from relay.cli import options, show
from relay.config import RelayFile, RouteFile, SecretsMode, load
from relay.config.models import TargetsFile
from relay.errors import ConfigInvalid
from relay.routing import trial
from relay.routing.route import Route, describe
from relay.routing.transform import Outgoing


def check(
    config: options.Config = options.DEFAULT_CONFIG,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check the configuration, its targets and all routes; print every problem at once."""
    if not config.is_file():
        show.fail(f"there is no {config}; name a configuration with --config", 2)
    try:
        found = load(config, SecretsMode.PRETEND)
    except ConfigInvalid as error:
        if not as_json:
            show.invalid(error)
        show.as_json({"ok": False, "problems": [
            {"file": p.file, "line": p.line, "column": p.column, "message": p.message, "remedy": p.remedy}
            for p in error.problems
        ]})  # fmt: skip
        raise SystemExit(1) from None
    bad = strict and bool(found.warnings)
    if as_json:
        show.as_json({"ok": not bad, "warnings": found.warnings, "digest": found.digest})
    else:
        for warning in found.warnings:
            show.errors().print(f"[yellow]warning[/yellow]: {escape(warning)}")
        show.console().print(
            f"{show.mark(ok=not bad)} {len(found.routes)} routes, {len(found.targets)} targets, "
            f"digest {found.digest}"
        )
    if bad:
        raise SystemExit(1)


def routes(
    config: options.Config = options.DEFAULT_CONFIG, as_json: options.AsJson = False
) -> None:
    """List incoming URLs, how they are verified, and where they forward to."""
    found = options.loaded(config, SecretsMode.PRETEND)
    described = [describe(route) for route in found.routes.values()]
    if as_json:
        show.as_json({"listen": found.config.listen, "routes": described})
        return
    rows = []
    for one in described:
        urls = [(f"http://{found.config.listen}{path}", one["scheme"]) for path in one["paths"]]
        forwards = [
            (forward["name"], forward["to"], forward["when"]) for forward in one["forwards"]
        ]
        rows += [
            (*(url or ("", "")), *(forward or ("", "", "")))
            for url, forward in zip_longest(urls, forwards)
        ]
    show.table(("URL", "scheme", "forward", "to", "when"), rows)


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
    found = options.loaded(config, SecretsMode.PRETEND)
    chosen = pick(found.routes, route)
    headers = {"content-type": "application/json"} | parse_headers(header)
    signed, query = True, dict[str, str]()
    try:
        if file.parent.name == "samples":
            sample = trial.read_sample(file)
            body, headers = sample.body, {**sample.headers, **parse_headers(header)}
            sender, signed, query = sender or sample.sender, sample.signed, dict(sample.query)
        else:
            body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except (OSError, trial.SampleInvalid) as error:
        show.fail(str(error), 2)
    pick_sender(chosen, sender)
    result = trial.attempt(
        chosen, found.targets, body, headers, query=query, sender=sender, signed=signed
    )
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


def test(
    names: Annotated[list[str] | None, typer.Argument(help="Routes; all if none is named.")] = None,
    config: options.Config = options.DEFAULT_CONFIG,
    as_json: options.AsJson = False,
) -> None:
    """Run the samples of the routes offline."""
    found = options.loaded(config, SecretsMode.PRETEND)
    chosen = [pick(found.routes, name) for name in names] if names else list(found.routes.values())
    folder = (config.parent / found.config.routes).resolve()
    results: list[dict[str, object]] = []
    for route in chosen:
        for path in sorted((folder / route.name / "samples").glob("*.json")):
            try:
                faults = trial.judge(trial.read_sample(path), route, found.targets)
            except trial.SampleInvalid as error:
                faults = [str(error)]
            results.append(
                {"route": route.name, "sample": path.stem, "ok": not faults, "faults": faults}
            )
            if not as_json:
                show.console().print(f"{show.mark(ok=not faults)} {route.name}/{path.stem}")
                for fault in faults:
                    show.console().print(f"    {escape(fault)}")
    failed = sum(not result["ok"] for result in results)
    if as_json:
        show.as_json({"ok": not failed, "samples": results})
    else:
        show.console().print(f"{len(results) - failed} passed, {failed} failed")
    if failed or not results:
        raise SystemExit(1)


def schema(
    of: Annotated[
        Literal["relay", "targets", "route"], typer.Argument(help="Which kind of file.")
    ] = "relay",
    as_json: options.AsJson = True,  # noqa: ARG001 - taken so that every command takes it
) -> None:
    """Print the JSON Schema of relay.yaml, of a targets file, or of route.yaml, for editors; always JSON."""
    model = {"relay": RelayFile, "targets": TargetsFile, "route": RouteFile}[of]
    made = TypeAdapter[object](model).json_schema()
    show.as_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **made})


def pick(found: Mapping[str, Route], name: str) -> Route:
    """Return a route by name, or say which there are and exit."""
    route = found.get(name)
    if route is None:
        show.fail(f"there is no route {name!r}; there are: {', '.join(found)}", 2)
    return route


def pick_sender(route: Route, sender: str) -> None:
    """Return if `sender` is one of the route's ('' of a route without named ones), or exit."""
    if sender in route.schemes:
        return
    if "" in route.schemes:
        show.fail(f"the route {route.name} has no named senders; leave --sender out", 2)
    show.fail(f"name one of its senders with --sender: {', '.join(route.schemes)}", 2)


def parse_headers(given: list[str]) -> dict[str, str]:
    """Return `NAME: VALUE` options as headers, or exit."""
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            show.fail(f"{text!r} is not a header; write NAME: VALUE", 2)
        headers[name.strip().lower()] = value.strip()
    return headers


def _request_text(request: Outgoing) -> str:
    try:
        body = json.dumps(json.loads(request.body), ensure_ascii=False, indent=2)
    except ValueError:
        body = request.body.decode("utf-8", "replace")
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"{headers}\n\n{body}"


def _trial_json(result: trial.Trial, *, ok: bool) -> dict[str, object]:
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
