"""CEL expressions over `body`, `headers`, `query` and `event`: compiled with types once, evaluated a lot.

Language: https://github.com/google/cel-spec. The string functions of CEL's strings extension are there too.
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

from relay.errors import ExpressionFailed
from relay.event import Event
from relay.expression.path import NothingThere, shortcut

_TEXTS = cel.Type.Map(cel.Type.STRING, cel.Type.STRING)
_REQUEST = {"body": cel.Type.DYN, "headers": _TEXTS, "query": _TEXTS}
# Dotted names are variables of their own to CEL, so that `event.tpye` fails when the config is loaded.
_EVENT = {
    f"event.{name}": cel.Type.STRING
    for name in ("id", "type", "key", "dedupe_id", "route", "sender")
} | {"event.received": cel.Type.TIMESTAMP}
_UNSTORED = {"event.id", "event.received"}  # what an event only has once it is accepted
_EXTENSIONS = [ext_strings.ExtStrings()]
_VARIABLES = {
    "request": _REQUEST,
    "verified": _REQUEST | {name: kind for name, kind in _EVENT.items() if name not in _UNSTORED},
    "event": _REQUEST | _EVENT,
    "item": _REQUEST | _EVENT | {"item": cel.Type.DYN},
}
_ENVS = {
    scope: cel.NewEnv(variables=found, extensions=_EXTENSIONS)
    for scope, found in _VARIABLES.items()
}
# cel-expr-python 0.1.3 knows Python's times in an environment only once it has compiled something
# there. All scopes are evaluated in the widest, in which a relay may have nothing of its own.
_ENVS["item"].compile("true")
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_LITERAL = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_INT64 = 2**63
# The library gives each null of a result away without counting it as a reference to None. That goes well a few
# thousand times, then Python ends the process ("deallocating None"); since 3.12 None is not counted any more (PEP 683).
_COUNTED = sys.version_info < (3, 12)
_keep = ctypes.pythonapi.Py_IncRef
_keep.argtypes, _keep.restype = [ctypes.py_object], None
# The library reads texts up to their first NUL. Where there are any, a noncharacter that is in none of the texts stands
# for them meanwhile: https://www.unicode.org/faq/private_use.html#nonchar1
_STAND_INS = tuple(map(chr, range(0xFDD0, 0xFDF0)))


def variables(scope: str) -> list[str]:
    """Return what an expression may name in the scope `request`, `verified`, `event` or `item`."""
    return sorted(_VARIABLES[scope])


class ExpressionInvalid(ValueError):
    """An expression that does not compile; `line` and `column` count from 1 inside the expression."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class Scope:
    """What expressions see of one event; conversions to CEL are made once for all of them."""

    __slots__ = ("_activation", "_nul", "_received_at", "_seen", "_stand_in", "values")

    def __init__(
        self, values: Mapping[str, Any], *, nul: bool = True, received_at: float | None = None
    ) -> None:
        """Take what expressions see, and if that is an event, when it was accepted, in seconds since the epoch.

        `nul` says that texts in it may hold the character NUL, which costs time.
        """
        self.values = values
        self._seen = values  # as CEL sees them
        self._nul = nul
        self._stand_in = ""
        self._received_at = received_at  # a time is only made of it where one is asked for
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
        """Return the plain value; raise ExpressionFailed if it has none."""
        if self._activation is None:
            seen = self._seen
            if self._nul:
                texts = "".join(_texts(seen))
                self._stand_in = next(
                    (one for one in _STAND_INS if one not in texts), _STAND_INS[0]
                )
                seen = _translated(seen, "\0", self._stand_in)
            if self._received_at is not None:
                seen = {**seen, "event.received": datetime.fromtimestamp(self._received_at, UTC)}
            self._activation = _ENVS["item"].Activation(seen)
        try:
            result = expression.eval(self._activation)
        except RuntimeError as error:  # such as CEL's own budget of iterations
            raise ExpressionFailed(_reason(str(error))) from None
        if result.type() == cel.Type.ERROR:
            if any(_beyond_int64(self._seen.get("body"))):
                # CEL's int has 64 bits; JSON's numbers have no limit. Read the large ones as doubles.
                narrowed = {**self._seen, "body": _narrowed(self._seen["body"])}
                if not any(_beyond_int64(narrowed["body"])):
                    self._seen = narrowed
                    self._activation = None
                    return self.evaluate(expression)
            raise ExpressionFailed(_reason(str(result.plain_value())))
        value = result.plain_value()
        if _COUNTED:
            for _ in range(_nulls(value)):
                _keep(None)
        return _translated(value, self._stand_in, "\0") if self._nul else value


class Expression:
    """One compiled expression."""

    __slots__ = ("_compiled", "_returns", "_shortcut", "source", "uses_body")

    def __init__(self, source: str, scope: str = "event") -> None:
        """Compile `source` for a scope: `request`, `verified`, `event`, or `item`.

        A `request` alone is there before it is known who sent it; once it is `verified`, so is what the event would
        be, but for its id and time; an `item` is one of a list.

        Raises ExpressionInvalid with the place of the first fault.
        """
        self.source = source
        self.uses_body = re.search(r"\bbody\b", _LITERAL.sub("", source)) is not None
        try:
            self._compiled = _ENVS[scope].compile(source)
        except RuntimeError as error:
            raise _invalid(str(error)) from None
        self._returns = self._compiled.return_type()
        self._shortcut = shortcut(source)

    def returns(self, *types: str) -> bool:
        """Tell whether its static type is one of `types` (CEL's names), or only known at run time."""
        name = self._returns.name()
        return name == "DYN" or any(name == kind or name.startswith(f"{kind}<") for kind in types)

    @property
    def type_name(self) -> str:
        """CEL's name of the static type."""
        return str(self._returns.name())

    def value(self, scope: Scope) -> Any:
        """Evaluate; raise ExpressionFailed with CEL's own words."""
        if self._shortcut is None:
            return scope.evaluate(self._compiled)
        try:
            return self._shortcut(scope.values)
        except NothingThere:
            return scope.evaluate(self._compiled)

    def text(self, scope: Scope) -> str:
        """Evaluate to text: numbers and booleans as JSON writes them, null as ''; raise ExpressionFailed."""
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
    found = _PLACE.search(message)
    if found is None:
        return ExpressionInvalid(message.splitlines()[0], 1, 1)
    said = found[3].removesuffix(" (in container '')").partition(" expecting {")[0]
    return ExpressionInvalid(said, int(found[1]), int(found[2]))


def _reason(text: str) -> str:
    return text.partition(": ")[2] or text


def _nulls(value: Any) -> int:
    if value is None:
        return 1
    if isinstance(value, Mapping):
        return sum(map(_nulls, value.keys())) + sum(map(_nulls, value.values()))
    return sum(map(_nulls, value)) if isinstance(value, list) else 0


def _beyond_int64(value: Any) -> Iterator[bool]:
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


def _narrowed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _narrowed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_narrowed(item) for item in value]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value
