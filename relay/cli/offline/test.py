"""`relay test`: the routes' samples, run offline."""

from typing import Annotated

import typer
from rich.markup import escape

from relay.cli import options, show
from relay.config import SecretsMode
from relay.routing.sample import SampleInvalid, judge, read_sample


def test(
    names: Annotated[list[str] | None, typer.Argument(help="Routes; all if none is named.")] = None,
    config: options.Config = options.DEFAULT_CONFIG,
    as_json: options.AsJson = False,
) -> None:
    """Run the samples of the routes offline."""
    loaded = options.loaded(config, SecretsMode.PRETEND)
    selected = (
        [options.pick(loaded.routes, name) for name in names]
        if names
        else list(loaded.routes.values())
    )
    folder = (config.parent / loaded.config.routes).resolve()
    results: list[dict[str, object]] = []
    for route in selected:
        for path in sorted((folder / route.name / "samples").glob("*.json")):
            try:
                faults = judge(read_sample(path), route, loaded.targets)
            except SampleInvalid as error:
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
