"""A YAML file's values, and the line and column of each part, for problems to name."""

import difflib
import re
import traceback
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Tag, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.scalarstring import (
    FoldedScalarString,
    LiteralScalarString,
)

from relay.config import yaml as quick
from relay.config.places import place_in_block, place_in_flow
from relay.errors import Problem
from relay.fields.choice import Choice

Path_ = Sequence[str | int]
M = TypeVar("M", bound=BaseModel)
_LAYOUT = "check indentation, quotes and colons"
_SCHEMA = "see `relay schema`"
_UNION = {"union_tag_invalid": "no_such", "union_tag_not_found": "missing"}


class Source:
    """One YAML file.

    `data` has its plain values; None if it can't be read: then `problems` says why.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.shown = shown
        self.problems: list[Problem] = []
        self.data: Any = None
        self._text = ""
        try:
            raw = path.read_bytes()
            self._text = raw.decode("utf-8")
        except OSError as error:
            self.problem((), f"can't be read: {error.strerror}", "check the path and its mode")
            return
        except UnicodeDecodeError as error:
            before = raw[: error.start].decode("utf-8").split("\n")
            self._add(len(before), len(before[-1]) + 1, "is not UTF-8 text", "save it as UTF-8")
            return
        if not self._text.strip():
            # An editor leaves a file empty for a moment; comments alone are a file of defaults.
            self._add(1, 1, "the file is empty", "write it, or delete it")
            return
        try:
            self.data = quick.read(self._text)
        except quick.Unsure:
            self.data = plain(self._placed)
        if self.data is None and not self.problems:
            self.data = {}

    @cached_property
    def _placed(self) -> Any:
        """The file's values with their places: read when something is wrong, or may be."""
        try:
            return _read(self._text)
        except MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self._add(line, column, *_said(error))
        except YAMLError as error:
            self._add(1, 1, str(error).splitlines()[0], _LAYOUT)
        except ValueError as error:  # such as 2001-13-45, which YAML takes for a date
            self._add(
                *_spot(error), "this looks like a date or a number, and is none", "put it in quotes"
            )
        except (
            NotImplementedError,
            AssertionError,
        ):  # ruamel's own, when it has nothing to keep one in
            self._add(
                1, 1, "has a comment where none may stand", "give comments lines of their own"
            )
        except RecursionError:
            self._add(
                1,
                1,
                "goes too deep, or contains itself",
                "write less nesting, and no alias inside its anchor",
            )
        return None

    def problem(self, path: Path_, message: str, remedy: str = "", *, key: bool = False) -> None:
        """Note that something is wrong at `path` (at its key rather than its value if `key`)."""
        line, column = self.place(path, key=key)
        self._add(line, column, message, remedy)

    def expression_problem(
        self, path: Path_, message: str, remedy: str, line: int, column: int
    ) -> None:
        """Note a fault in the expression at `path`; `line` and `column` count from 1 inside it."""
        block = isinstance(self._at(self._placed, path), LiteralScalarString | FoldedScalarString)
        place = place_in_block if block else place_in_flow
        self._add(
            *place(self._text, line, column, self.place(path)), f"expression: {message}", remedy
        )

    def place(self, path: Path_, *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the longest part of `path` that the file has."""
        node, line, column = (self._placed if path else None), 1, 1
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
            return model.model_validate(self._at(self.data, path))
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                self._note(
                    [*path, *fault["loc"]],
                    fault["type"],
                    fault["msg"],
                    fault.get("ctx") or {},
                    model,
                )
            return None

    def _note(
        self,
        path: list[str | int],
        kind: str,
        message: str,
        context: Mapping[str, Any],
        model: type[BaseModel],
    ) -> None:
        if path and path[-1] == "[key]":
            path, at_key = path[:-1], True
        else:
            at_key = False
        tagged, path = path, self._without_tags(path)
        if kind.startswith("union_tag"):
            path, kind = [*path, str(context["discriminator"]).strip("'")], _UNION[kind]
        where = ".".join(str(step) for step in path)
        before = f"{where}: " if where else ""
        match kind:
            case "extra_forbidden":
                known = _siblings(model, tagged, self.data)
                remedy = (
                    nearest(str(path[-1]), known) or f"remove it; known here: {', '.join(known)}"
                )
                self.problem(path, f"{where}: unknown key", remedy, key=True)
            case "missing":
                self.problem(path[:-1], f"{where}: is missing", f"add `{path[-1]}:`", key=True)
            case "no_such":
                known = [tag.strip("' ") for tag in str(context["expected_tags"]).split(",")]
                remedy = nearest(context["tag"], known) or f"there are: {', '.join(known)}"
                self.problem(path, f"{where}: there is no {path[-1]} {context['tag']!r}", remedy)
            case "too_short":
                self.problem(path, f"{before}is empty", "list at least one")
            case "string_type":
                self.problem(path, f"{before}{message[0].lower()}{message[1:]}", "put it in quotes")
            case "model_type" | "model_attributes_type" | "dict_type" if not path:
                self.problem(path, "the file must be a mapping of keys to values", _SCHEMA)
            case _:
                remedy = str(context.get("remedy", "")) or _SCHEMA
                text = (
                    f"{before}{message[0].lower()}{message[1:]}"
                    if kind != "relay"
                    else f"{before}{message}"
                )
                self.problem(path, text, remedy, key=at_key)

    def _without_tags(self, path: list[str | int]) -> list[str | int]:
        """Drop the steps that pydantic adds for unions: they are in no file."""
        node, kept = self._placed, list[str | int]()
        for position, step in enumerate(path):
            inside = (isinstance(node, Mapping) and step in node) or (
                isinstance(node, CommentedSeq) and isinstance(step, int)
            )
            if str(step).startswith("<"):
                continue
            if inside:
                node = node[step]
                kept.append(step)
            elif position == len(path) - 1:
                kept.append(step)
        return kept

    @staticmethod
    def _at(node: Any, path: Path_) -> Any:
        for step in path:
            node = node[step]
        return node

    def _add(self, line: int, column: int, message: str, remedy: str) -> None:
        text = message.encode(
            "utf-8", "replace"
        ).decode()  # an escape in quotes may be half of a surrogate pair
        self.problems.append(Problem(self.shown, line, column, text, remedy))


def nearest(text: str, known: Sequence[str]) -> str:
    """Return the question whether the nearest of `known` was meant, or '' if none is near."""
    near = difflib.get_close_matches(text, known, 1)
    return f"did you mean `{near[0]}`?" if near else ""


def _read(text: str) -> Any:
    """Return what ruamel makes of `text`, after making sure that it can be read to its end."""
    yaml = YAML(
        typ="rt"
    )  # one for each file: it has a state, and files are read in several threads
    yaml.preserve_quotes = True
    data = yaml.load(text)
    plain(data)
    return data


def _spot(error: ValueError) -> tuple[int, int]:
    """Return line and column of the node with a value that Python does not take."""
    spot = (1, 1)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if (mark := getattr(frame.f_locals.get("node"), "start_mark", None)) is not None:
            spot = (mark.line + 1, mark.column + 1)
    return spot


def _said(error: MarkedYAMLError) -> tuple[str, str]:
    """Return a YAML error's message, without values of the file, and its remedy."""
    message = (error.problem or "is not YAML").splitlines()[0]
    if message.startswith("found duplicate key"):
        return message.partition(" with value")[0], "give the key once"
    if message.startswith("but found another document"):
        return f"{error.context}, {message}", "keep one document a file"
    if alias := re.match(r"found undefined alias '(.+)'", message):
        return message, f"define &{alias[1]} before it, or put the text in quotes"
    return message, "indent with spaces" if "'\\t'" in message else _LAYOUT


def plain(node: Any) -> Any:
    """Return ruamel's nodes as plain dicts, lists and scalars."""
    if isinstance(node, Mapping):
        return {
            str(key) if not isinstance(key, str) else key: plain(value)
            for key, value in node.items()
        }
    if isinstance(node, CommentedSeq):
        return [plain(item) for item in node]
    if isinstance(node, str):
        return str(node)
    if isinstance(node, ScalarFloat):
        return float(node)
    if isinstance(node, ScalarInt):
        return int(node)
    return node


def _siblings(model: type[BaseModel], path: Path_, data: Any) -> list[str]:
    """Return the known keys where `path`, with unions' tags in it, ends in the file's `data`."""
    current = model
    annotation: Any = None
    for step in path[:-1]:
        info = next(
            (f for n, f in current.model_fields.items() if step in {n, f.alias} or n == "root"),
            None,
        )
        annotation = info.annotation if info else _tagged(annotation, step) or annotation
        if isinstance(data, Mapping) and step in data:
            data = data[step]
        choices = (part for part in (info.metadata if info else ()) if isinstance(part, Choice))
        chosen = next((choice.model_of(data) for choice in choices), None)
        current = chosen or _model_in(annotation) or current
    return [info.alias or name for name, info in current.model_fields.items()]


def _tagged(annotation: Any, tag: str | int) -> Any:
    """Return the member of a union that has the tag, None if there is none."""
    if any(
        isinstance(mark, Tag) and mark.tag == tag
        for mark in getattr(annotation, "__metadata__", ())
    ):
        return annotation
    inner = (_tagged(part, tag) for part in getattr(annotation, "__args__", ()))
    return next((mark for mark in inner if mark is not None), None)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (inner := _model_in(part)) is not None:
            return inner
    return None
