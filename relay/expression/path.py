"""Expressions so plain that Python answers them: a path, or a path compared with a literal.

Most ids, types, keys and filters are such. This saves nine tenths of the time that CEL takes for
one; tests/unit/expression/test_path.py holds that the value is CEL's, whatever the body. Where
there is nothing at the path, CEL is asked for its words.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from relay.errors import RelayError

Answer = Callable[[Mapping[str, Any]], Any]
Literal = str | int | bool
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STEPS = rf"(?:\.{_NAME}|\[\"[^\"\\]*\"\])*"
_PATH = rf"(?P<path>event\.[a-z_]+|(?:body|headers|query|item){_STEPS})"
_TEXT = r"(?P<text>\"[^\"\\\n]*\"|'[^'\\\n]*')"
_NUMBER = r"(?P<number>-?(?:0|[1-9][0-9]{0,17}))"
_TRUTH = r"(?P<truth>true|false)"
_COMPARISON = rf"(?P<operator>[=!]=)\s*(?:{_TEXT}|{_NUMBER}|{_TRUTH})"
_EXPRESSION = re.compile(rf"\s*{_PATH}(?:\s*{_COMPARISON})?\s*")
_STEP = re.compile(rf"\.({_NAME})|\[\"([^\"\\]*)\"\]")
_INT64 = 2**63


class NothingThere(RelayError):
    """The path leads to nothing, or to a value that CEL must read; caught within this package."""


def compile_path(source: str) -> Answer | None:
    """Return the function that answers an expression, or None if it is not so plain.

    The function takes the variables' values by their names, and raises NothingThere where CEL
    would have an error.
    """
    match = _EXPRESSION.fullmatch(source)
    if match is None:
        return None
    follow = _follower(match["path"])
    if match["operator"] is None:
        return follow
    return _comparison(follow, _literal(match), equal=match["operator"] == "==")


def _comparison(follow: Answer, literal: Literal, *, equal: bool) -> Answer:
    is_truth = isinstance(literal, bool)

    def compare(values: Mapping[str, Any]) -> bool:
        value = follow(values)
        # To Python, true is 1; to CEL they differ.
        same = value == literal and isinstance(value, bool) is is_truth
        return same is equal

    def compare_text(values: Mapping[str, Any]) -> bool:
        return (follow(values) == literal) is equal

    return compare_text if isinstance(literal, str) else compare


def _follower(path: str) -> Answer:
    # To CEL, `event.type` is one variable; `body.type` is a key of another.
    name = path if path.startswith("event.") else re.split(r"[.\[]", path, maxsplit=1)[0]
    steps = tuple(dotted or quoted for dotted, quoted in _STEP.findall(path, len(name)))

    def follow(values: Mapping[str, Any]) -> Any:
        try:
            value = values[name]
            for step in steps:
                value = value[step]
        # No such key, or a text or a list, neither of which has any.
        except (KeyError, TypeError):
            raise NothingThere from None
        if isinstance(value, str):
            return value
        if isinstance(value, dict | list) or (
            isinstance(value, int) and not -_INT64 <= value < _INT64
        ):
            raise NothingThere
        return value

    return follow


def _literal(match: re.Match[str]) -> Literal:
    if match["text"] is not None:
        return match["text"][1:-1]
    return int(match["number"]) if match["number"] is not None else match["truth"] == "true"
