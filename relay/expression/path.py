"""Expressions so plain that Python answers them itself: a path, or a path compared with a literal.

Most ids, types, keys and filters are such, and the evaluator takes ten times as long for them. What is said is what
CEL says; where there is nothing at the path, CEL is asked for its words.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Shortcut = Callable[[Mapping[str, Any]], Any]
Literal = str | int | bool
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
    return _comparison(follow, _literal(found), equal=found["compared"] == "==")


def _comparison(follow: Shortcut, literal: Literal, *, equal: bool) -> Shortcut:
    is_truth = isinstance(literal, bool)

    def compare(values: Mapping[str, Any]) -> bool:
        value = follow(values)
        # To Python, true is 1; to CEL they differ.
        same = value == literal and isinstance(value, bool) is is_truth
        return same is equal

    def compare_text(values: Mapping[str, Any]) -> bool:
        return (follow(values) == literal) is equal

    return compare_text if isinstance(literal, str) else compare


def _follower(path: str) -> Shortcut:
    # To CEL, `event.type` is one variable; `body.type` is a key of another.
    name = path if path.startswith("event.") else re.split(r"[.\[]", path, maxsplit=1)[0]
    steps = tuple(dotted or quoted for dotted, quoted in _STEP.findall(path, len(name)))

    def follow(values: Mapping[str, Any]) -> Any:
        try:
            value = values[name]
            for step in steps:
                value = value[step]
        except (KeyError, TypeError):  # no such key, or neither a text nor a list has any
            raise NothingThere from None
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list) or (
            isinstance(value, int) and not -_INT64 <= value < _INT64
        ):
            raise NothingThere
        return value

    return follow


def _literal(found: re.Match[str]) -> Literal:
    if found["text"] is not None:
        return found["text"][1:-1]
    return int(found["number"]) if found["number"] is not None else found["truth"] == "true"
