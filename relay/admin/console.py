"""The console: one page that shows what the relay does now. No script, nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from relay.metrics.snapshot import TargetState


@cache
def _template() -> Template:
    loader = PackageLoader("relay.admin", "pages")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(
        "console.html"
    )


def page(
    *,
    about: Mapping[str, Any],
    routes: Sequence[Mapping[str, Any]],
    targets: Sequence[TargetState],
    events: Sequence[Mapping[str, Any]],
    dead: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page as HTML."""
    return _template().render(about=about, routes=routes, targets=targets, events=events, dead=dead)
