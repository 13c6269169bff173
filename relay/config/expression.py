"""Expressions of a route's file, compiled; what is wrong with one is noted where it stands."""

import re

from relay.config.source import Path_, Source, nearest
from relay.expression.cel import Expression, ExpressionInvalid, variables

TEXT = ("STRING", "INT", "UINT", "DOUBLE", "BOOL", "NULL")


def compiled(
    source: Source, path: Path_, text: str, scope: str, types: tuple[str, ...]
) -> Expression | None:
    """Return the expression at `path`, or None after noting what is wrong with it.

    It sees the variables of `scope`; `types` are CEL's names of its possible types, any if empty.
    """
    try:
        expression = Expression(text, scope)
    except ExpressionInvalid as error:
        remedy = _remedy(error, text, scope)
        source.expression_problem(path, str(error), remedy, error.line, error.column)
        return None
    if types and not expression.returns(*types):
        wanted = "text or a number" if types == TEXT else " or ".join(types).lower()
        source.problem(
            path, f"the expression gives {expression.type_name.lower()}", f"it must give {wanted}"
        )
        return None
    return expression


def optional(
    source: Source, path: Path_, text: str | None, types: tuple[str, ...], scope: str = "event"
) -> Expression | None:
    """Return the expression at `path` if there is one, and if it is right."""
    return None if text is None else compiled(source, path, text, scope, types)


def _remedy(error: ExpressionInvalid, text: str, scope: str) -> str:
    """Return what to do about an expression that does not compile."""
    undeclared = re.match(r"undeclared reference to '(.+)'", str(error))
    if undeclared is None or re.search(rf"{re.escape(undeclared[1])}\s*\(", text):
        return "see the CEL language definition"
    known = variables(scope)
    name = undeclared[1] if undeclared[1].startswith("event.") else undeclared[1].partition(".")[0]
    return nearest(name, known) or f"known here: {', '.join(known)}"
