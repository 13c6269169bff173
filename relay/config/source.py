"""YAML with positions: what a file says, and on which line and column each part of it stands."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.scalarstring import (
    DoubleQuotedScalarString,
    FoldedScalarString,
    LiteralScalarString,
    SingleQuotedScalarString,
)

from relay.errors import Problem

Path_ = Sequence[str | int]
M = TypeVar("M", bound=BaseModel)
_YAML = YAML(typ="rt")
_YAML.preserve_quotes = True


class Source:
    """One YAML file. `data` is None if it can't be read; `problems` then says why."""

    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.shown = shown
        self.problems: list[Problem] = []
        self.data: Any = None
        try:
            self._text = path.read_text("utf-8")
        except OSError as error:
            self.problem((), f"can't be read: {error.strerror}", "check the path and its mode")
            return
        except UnicodeDecodeError:
            self.problem((), "is not UTF-8 text", "save it as UTF-8")
            return
        try:
            self.data = _YAML.load(self._text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            said = (error.problem or "is not YAML").splitlines()[0]
            remedy = (
                "give the key once" if "duplicate key" in said else "check indentation, quotes and colons"
            )
            self._add(line, column, said, remedy)
        except YAMLError as error:
            self._add(1, 1, str(error).splitlines()[0], "check indentation, quotes and colons")
        if self.data is None and not self.problems:
            self.data = CommentedMap()

    def problem(self, path: Path_, message: str, remedy: str = "", *, key: bool = False) -> None:
        """Note that something is wrong at `path` (at its key rather than its value if `key`)."""
        line, column = self.place(path, key=key)
        self._add(line, column, message, remedy)

    def expression_problem(self, path: Path_, message: str, line: int, column: int) -> None:
        """Note a fault inside the expression at `path`; `line` and `column` count from 1 inside it."""
        at_line, at_column = self.place(path)
        value = self._at(path)
        if isinstance(value, LiteralScalarString | FoldedScalarString):
            at_line += line
            text = self._text.splitlines()
            indent = len(text[at_line - 1]) - len(text[at_line - 1].lstrip()) if at_line <= len(text) else 0
            at_column = indent + column
        else:
            quoted = isinstance(value, DoubleQuotedScalarString | SingleQuotedScalarString)
            at_column += column - 1 + (1 if quoted else 0)
        self._add(at_line, at_column, f"expression: {message}", "see the CEL language definition")

    def place(self, path: Path_, *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the longest part of `path` that the file has."""
        node, line, column = self.data, 1, 1
        for position, step in enumerate(path):
            last = position == len(path) - 1
            if isinstance(node, CommentedMap) and step in node:
                spot = node.lc.key(step) if (last and key) else node.lc.value(step)
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                spot = node.lc.item(step)
            else:
                break
            line, column = spot[0] + 1, spot[1] + 1
            node = node[step]
        return line, column

    def validate(self, model: type[M], path: Path_ = ()) -> M | None:
        """Return the part of the file at `path` as a model, or None after noting every problem."""
        try:
            return model.model_validate(plain(self._at(path)))
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                self._note([*path, *fault["loc"]], fault["type"], fault["msg"], fault.get("ctx") or {}, model)
            return None

    def _note(
        self, path: list[str | int], kind: str, said: str, context: Mapping[str, Any], model: type[BaseModel]
    ) -> None:
        path = self._without_tags(path)
        where = ".".join(str(step) for step in path)
        if kind == "extra_forbidden":
            known = _siblings(model, path)
            near = difflib.get_close_matches(str(path[-1]), known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"remove it; known here: {', '.join(known)}"
            self.problem(path, f"{where}: unknown key", hint, key=True)
        elif kind == "missing":
            self.problem(path[:-1], f"{where}: is missing", f"add `{path[-1]}:`", key=True)
        else:
            remedy = str(context.get("remedy", "")) or "see `relay schema`"
            self.problem(path, f"{where}: {said[0].lower()}{said[1:]}" if where else said, remedy)

    def _without_tags(self, path: list[str | int]) -> list[str | int]:
        """Drop the steps that pydantic adds for unions: they are in no file."""
        node, kept = self.data, list[str | int]()
        for position, step in enumerate(path):
            inside = (isinstance(node, Mapping) and step in node) or (
                isinstance(node, CommentedSeq) and isinstance(step, int)
            )
            if inside:
                node = node[step]
                kept.append(step)
            elif position == len(path) - 1:
                kept.append(step)
        return kept

    def _at(self, path: Path_) -> Any:
        node = self.data
        for step in path:
            node = node[step]
        return node

    def _add(self, line: int, column: int, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.shown, line, column, message, remedy))


def plain(node: Any) -> Any:
    """Return ruamel's nodes as plain dicts, lists and scalars."""
    if isinstance(node, Mapping):
        return {str(key) if not isinstance(key, str) else key: plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [plain(item) for item in node]
    if isinstance(node, str):
        return str(node)
    if isinstance(node, ScalarFloat):
        return float(node)
    if isinstance(node, ScalarInt):
        return int(node)
    return node


def _siblings(model: type[BaseModel], path: Path_) -> list[str]:
    """Return the keys that are known where `path` ends, as far as the models tell."""
    found = model
    for step in path[:-1]:
        info = next((f for n, f in found.model_fields.items() if step in {n, f.alias} or n == "root"), None)
        inner = _model_in(info.annotation) if info else None
        found = inner or found
    return [info.alias or name for name, info in found.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _model_in(part)) is not None:
            return found
    return None
