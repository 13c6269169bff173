"""The commands' output: tables for people, JSON for programs, problems on standard error."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from relay.errors import ConfigInvalid

if TYPE_CHECKING:
    from rich.console import Console

# So wide that no table is squeezed: an id that is cut or folded can't be copied. Terminals wrap by
# themselves.
_WIDTH = 1000


@cache
def console() -> "Console":
    """Return standard output; `relay run` prints nothing by it, and starts sooner without rich."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=_WIDTH)


@cache
def errors() -> "Console":
    """Return standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def as_json(value: Any) -> None:
    """Print a value as JSON, at once also into a pipe: `relay sink` prints one after the other."""
    print(json.dumps(value, ensure_ascii=False, indent=2), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under headings."""
    from rich.markup import escape
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(escape(str(cell)) for cell in row))
    console().print(grid)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why on standard error, and exit."""
    from rich.markup import escape

    errors().print(f"[red]error[/red]: {escape(message)}")
    raise SystemExit(code)


def invalid(error: ConfigInvalid) -> NoReturn:
    """Print every problem, one a line, and exit."""
    from rich.markup import escape

    for problem in error.problems:
        errors().print(escape(str(problem)))
    count = len(error.problems)
    errors().print(f"[red]{count} problem{'s' if count != 1 else ''}[/red]")
    raise SystemExit(1)


def mark(*, ok: bool) -> str:
    """Return a tick or a cross."""
    return "[green]✓[/green]" if ok else "[red]✗[/red]"
