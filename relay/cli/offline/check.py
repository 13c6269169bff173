"""`relay check`: every problem of the configuration, its targets and all routes at once."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from relay.cli import options, show
from relay.config import SecretsMode, load
from relay.errors import ConfigInvalid


def check(
    config: options.Config = options.DEFAULT_CONFIG,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check the configuration, its targets and all routes; print every problem at once."""
    if not config.is_file():
        show.fail(f"there is no {config}; name a configuration with --config", 2)
    try:
        loaded = load(config, SecretsMode.PRETEND)
    except ConfigInvalid as error:
        if not as_json:
            show.invalid(error)
        show.as_json({"ok": False, "problems": [asdict(problem) for problem in error.problems]})
        raise SystemExit(1) from None
    bad = strict and bool(loaded.warnings)
    if as_json:
        show.as_json({"ok": not bad, "warnings": loaded.warnings, "digest": loaded.digest})
    else:
        for warning in loaded.warnings:
            show.errors().print(f"[yellow]warning[/yellow]: {escape(warning)}")
        show.console().print(
            f"{show.mark(ok=not bad)} {len(loaded.routes)} routes, {len(loaded.targets)} targets, "
            f"digest {loaded.digest}"
        )
    if bad:
        raise SystemExit(1)
