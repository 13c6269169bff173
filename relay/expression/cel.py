"""CEL expressions over `body`, `headers`, `query` and `event`: compiled once, evaluated a lot.

Language: https://github.com/google/cel-spec, with the string functions of its strings extension.

The library (cel-expr-python 0.1.3) has three faults that are made good here, each where it says so:
times in an environment without an expression, nulls of results, and NUL in texts.
"""

import ctypes
import math
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from relay.clock import Wall
from relay.errors import ExpressionFailed, RelayError
from relay.event import Event
from relay.expression.path import NothingThere, compile_path

_TEXTS = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
_REQUEST = {"body": cel.Type.DYN, "headers": _TEXTS, "query": _TEXTS}
# Each is a variable of its own to CEL, so that `event.tpye` fails when the config is loaded.
_EVENT = {
    f"event.{name}": cel.Type.STRING
    for name in ("id", "type", "key", "dedupe_id", "route", "sender")
} | {"event.received": cel.Type.TIMESTAMP}
_UNSTORED = {"event.id", "event.received"}  # which an event only has once it is accepted
_EXTENSIONS = [ext_strings.ExtStrings()]
_VARIABLES = {
    "request": _REQUEST,
    "verified": _REQUEST | {name: _EVENT[name] for name in _EVENT.keys() - _UNSTORED},
    "event": _REQUEST | _EVENT,
    "item": _REQUEST | _EVENT | {"item": cel.Type.DYN},
}
_ENVS = {
    scope: cel.NewEnv(variables=types, extensions=_EXTENSIONS)
    for scope, types in _VARIABLES.items()
}
# The library knows Python's times in an environment only once it has compiled something there.
# Every scope is evaluated in the widest, in which a relay may have nothing of its own.
_ENVS["item"].compile("true")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_LITERAL = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_INT64 = 2**63
# The library puts None into a result for each null without counting the reference. That goes well
# a few thousand times, then Python ends the process ("deallocating None"): the missing ones are
# added here. This is Python 3.11 alone: since 3.12 references to None are not counted (PEP 683).
_NONE_IS_COUNTED = sys.version_info < (3, 12)
_add_reference = ctypes.pythonapi.Py_IncRef
_add_reference.argtypes, _add_reference.restype = [ctypes.py_object], None
# The library reads texts up to their first NUL. Where there are any, a noncharacter that is in none
# of the texts stands for them meanwhile: https://www.unicode.org/faq/private_use.html#nonchar1
_STAND_INS = tuple(map(chr, range(0xFDD0, 0xFDF0)))


def variables(scope: str) -> list[str]:
    """Return the names of the scope `request`, `verified`, `event` or `item`."""
    return sorted(_VARIABLES[scope])


class ExpressionInvalid(RelayError):
    """An expression that does not compile; `line` and `column` in it count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class Scope:
    """The values that expressions see of one event, converted for CEL once for all of them."""

    __slots__ = ("_activation", "_cel_values", "_nul", "_received_at", "_stand_in", "values")

    def __init__(
        self, values: Mapping[str, Any], *, nul: bool = True, received_at: Wall | None = None
    ) -> None:
        """Take the values by their names, and the time of acceptance, if they are an event's.

        `received_at` is in seconds since the epoch by the wall clock. `nul` says that a text among
        the values may hold the character NUL, which takes time to look after.
        """
        self.values = values
        self._cel_values = values  # as CEL sees them: with doubles for numbers beyond its own
        self._nul = nul
        self._stand_in = ""
        # Made a time only where an expression is evaluated by CEL: few events need one.
        self._received_at = received_at
        self._activation: Any = None

    def widened(self, values: Mapping[str, Any]) -> "Scope":
        """Return a scope that sees `values` as well."""
        return Scope({**self.values, **values}, nul=self._nul, received_at=self._received_at)

    def of(self, event: Event) -> "Scope":
        """Return a scope that sees the event as well: the variables `event.…`."""
        values = {
            **self.values,
            "event.id": event.id,
            "event.type": event.type,
            "event.key": event.key,
            "event.dedupe_id": event.dedupe_id,
            "event.route": event.route,
            "event.sender": event.sender,
        }
        return Scope(values, nul=self._nul, received_at=event.received_at)

    def evaluate(self, expression: Any) -> Any:
        """Return the value of CEL's own `expression`; raise ExpressionFailed if it has none."""
        if self._activation is None:
            self._activation = self._activate()
        try:
            result = expression.eval(self._activation)
        except RuntimeError as error:  # such as CEL's own budget of iterations
            raise ExpressionFailed(_reason(str(error))) from None
        if result.type() == cel.Type.ERROR:
            # CEL's int has 64 bits; JSON's numbers have no limit. Read the large ones as doubles.
            if any(_beyond_int64(self._cel_values.get("body"))):
                self._cel_values = {**self._cel_values, "body": _narrow(self._cel_values["body"])}
                self._activation = None
                return self.evaluate(expression)
            raise ExpressionFailed(_reason(str(result.plain_value())))
        value = result.plain_value()
        if _NONE_IS_COUNTED:
            for _ in range(_nulls(value)):
                _add_reference(None)
        return _translated(value, self._stand_in, "\0") if self._nul else value

    def _activate(self) -> Any:
        """Return the values as CEL takes them."""
        values = self._cel_values
        if self._nul:
            texts = "".join(_texts(values))
            unused = (character for character in _STAND_INS if character not in texts)
            self._stand_in = next(unused, _STAND_INS[0])
            values = _translated(values, "\0", self._stand_in)
        if self._received_at is not None:
            values = {**values, "event.received": datetime.fromtimestamp(self._received_at, UTC)}
        return _ENVS["item"].Activation(values)


class Expression:
    """One compiled expression; `uses_body` says that it reads the body."""

    __slots__ = ("_compiled", "_path", "_returns", "source", "uses_body")

    def __init__(self, source: str, scope: str = "event") -> None:
        """Compile `source` for a scope: `request`, `verified`, `event`, or `item`.

        `request`: body, headers and query, before the sender is known. `verified`: also the facts
        of the event that it would be, without its id and time. `item`: also one item of a list.

        Raises ExpressionInvalid with the place of the first fault.
        """
        self.source = source
        self.uses_body = re.search(r"\bbody\b", _LITERAL.sub("", source)) is not None
        try:
            self._compiled = _ENVS[scope].compile(source)
        except RuntimeError as error:
            raise _invalid(str(error)) from None
        self._returns = self._compiled.return_type()
        self._path = compile_path(source)

    def returns(self, *types: str) -> bool:
        """Tell whether its static type is one of `types` (CEL's names) or unknown as yet."""
        name = self._returns.name()
        return name == "DYN" or any(name == kind or name.startswith(f"{kind}<") for kind in types)

    @property
    def type_name(self) -> str:
        """CEL's name of the static type."""
        return str(self._returns.name())

    def value(self, scope: Scope) -> Any:
        """Return the value of a scope; raise ExpressionFailed with CEL's own words."""
        if self._path is None:
            return scope.evaluate(self._compiled)
        try:
            return self._path(scope.values)
        except NothingThere:
            return scope.evaluate(self._compiled)

    def text(self, scope: Scope) -> str:
        """Return the value as text: numbers and booleans as JSON writes them, null as ''.

        Raises ExpressionFailed if it has none, or is no such value.
        """
        value = self.value(scope)
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return str(value)
        raise ExpressionFailed(f"{self.source}: text is needed, this is a {type(value).__name__}")


def _invalid(message: str) -> ExpressionInvalid:
    place = _PLACE.search(message)
    if place is None:
        return ExpressionInvalid(message.splitlines()[0], 1, 1)
    line, column, text = place.groups()
    fault = text.removesuffix(" (in container '')").partition(" expecting {")[0]
    return ExpressionInvalid(fault, int(line), int(column))


def _reason(text: str) -> str:
    """Return CEL's message without the code before it."""
    return text.partition(": ")[2] or text


def _nulls(value: Any) -> int:
    """Count the nulls in a value."""
    if value is None:
        return 1
    if isinstance(value, Mapping):
        return sum(map(_nulls, value.keys())) + sum(map(_nulls, value.values()))
    return sum(map(_nulls, value)) if isinstance(value, list) else 0


def _beyond_int64(value: Any) -> Iterator[bool]:
    """Yield True for each number in a value that CEL's int can't hold."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _beyond_int64(item)
    elif isinstance(value, list):
        for item in value:
            yield from _beyond_int64(item)
    elif isinstance(value, int) and not -_INT64 <= value < _INT64:
        yield True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _translated(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        return {
            _translated(key, old, new): _translated(item, old, new) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_translated(item, old, new) for item in value]
    return value


def _narrow(value: Any) -> Any:
    """Return a value with doubles for the numbers that CEL's int can't hold."""
    if isinstance(value, dict):
        return {key: _narrow(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_narrow(item) for item in value]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value
