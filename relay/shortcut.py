"""Expressions so plain that Python answers them itself: a path, or a path compared with a literal.

Most ids, types, keys and filters are such, and the evaluator takes ten times as long for them. What is said is what
CEL says; where there is nothing at the path, CEL is asked for its words.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Shortcut = Callable[[Mapping[str, Any]], Any]
_PATH = r"(?P<path>event\.[a-z_]+|(?:body|headers|query|item)(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\"[^\"\\]*\"\])*)"
_LITERAL = r"(?P<text>\"[^\"\\\n]*\"|'[^'\\\n]*')|(?P<number>-?(?:0|[1-9][0-9]{0,17}))|(?P<truth>true|false)"
_EXPRESSION = re.compile(rf"\s*{_PATH}(?:\s*(?P<compared>[=!]=)\s*(?:{_LITERAL}))?\s*")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[\"([^\"\\]*)\"\]")


_INT64 = 2**63


class NothingThere(LookupError):
    """There is no such key, what should have it is no mapping, or what is there is for CEL to read."""


def shortcut(source: str) -> Shortcut | None:
    """Return what answers an expression from the variables' values, or None if it is not so plain.

    The answer raises NothingThere where CEL would have an error.
    """
    found = _EXPRESSION.fullmatch(source)
    if found is None:
        return None
    follow = _follower(found["path"])
    if found["compared"] is None:
        return follow
    literal = _literal(found)
    wanted = found["compared"] == "=="
    is_truth = isinstance(literal, bool)

    def compare(values: Mapping[str, Any]) -> bool:
        value = follow(values)
        # To Python, true is 1; to CEL they differ.
        same = value == literal and isinstance(value, bool) is is_truth
        return same is wanted

    return compare


def _follower(path: str) -> Shortcut:
    if path.startswith("event."):
        return _variable(path)
    name = re.split(r"[.\[]", path, maxsplit=1)[0]
    steps = tuple(dotted or quoted for dotted, quoted in _STEP.findall(path, len(name)))

    def follow(values: Mapping[str, Any]) -> Any:
        value = _variable(name)(values)
        for step in steps:
            if not isinstance(value, dict) or step not in value:
                raise NothingThere
            value = value[step]
        if isinstance(value, dict | list) or (isinstance(value, int) and not -_INT64 <= value < _INT64):
            raise NothingThere
        return value

    return follow


def _variable(name: str) -> Shortcut:
    def variable(values: Mapping[str, Any]) -> Any:
        try:
            return values[name]
        except KeyError:
            raise NothingThere from None

    return variable


def _literal(found: re.Match[str]) -> str | int | bool:
    if found["text"] is not None:
        return found["text"][1:-1]
    return int(found["number"]) if found["number"] is not None else found["truth"] == "true"
