"""A YAML file's plain values by libyaml: some twenty times as fast as with places, or not at all.

It saves nine tenths of reading a thousand routes (1.6 s to 0.3 s), and a tenth of a second of a
start; tests/unit/config/test_yaml.py holds it equal to the reader with places. libyaml reads YAML
1.1, of which nearly all that people write means the same in 1.2; ruamel decides what a plain scalar
means, by 1.2, for both readers. Anchors, tags, keys that are no text, several documents, characters
that the versions tell apart, and every mistake are left to the reader with places: it alone reports
problems.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]  # re-exported there
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.nodes import ScalarNode

from relay.errors import RelayError

_SCALARS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "null"))
_TEXT = "tag:yaml.org,2002:str"
# YAML 1.1 breaks lines at NEL, LS and PS; the readers differ on tabs and byte order marks.
_PLAIN = re.compile(
    r"[\n -~\xa0-\u2027\u202a-\ud7ff\ue001-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
# Inside a word a colon is text; in {} and [] libyaml takes it for an indicator, unless another
# character stands for it.
_COLON, _STAND_IN = re.compile(r"(?<=[A-Za-z0-9_.]):(?=[A-Za-z0-9_/])"), "\ue000"
# The readers differ on the ends of documents, on how blocks begin, with comments or empty lines,
# and on colons right behind a quote.
_ODD = re.compile(
    r"^(?:---|\.\.\.)|[|>][-+0-9]*(?:#| *(?:#[^\n]*)?\n *(?:\n|#|\Z))|[\"']:(?![ \n])", re.MULTILINE
)
_DEEPEST = 100
_YAML = YAML(typ="safe", pure=True)  # for what plain scalars mean


class Unsure(RelayError):
    """The file has to be read with places."""


def read(text: str) -> Any:
    """Return what a file says, in dicts, lists, texts, numbers, booleans and None; raise Unsure."""
    if not _PLAIN.fullmatch(text) or _ODD.search(text):
        raise Unsure
    try:
        return _Document().read(CParser(_COLON.sub(_STAND_IN, text)))
    except (YAMLError, ValueError) as error:
        raise Unsure from error


class _Document:
    """A document, built from a parser's events."""

    def __init__(self) -> None:
        self._top: list[Any] = []
        self._node: Any = self._top
        self._key: str | None = None
        self._outer: list[Any] = []
        self._takes: dict[type, Callable[[Any], None]] = {
            DocumentStartEvent: self._start,
            ScalarEvent: self._scalar,
            MappingStartEvent: self._open,
            SequenceStartEvent: self._open,
            MappingEndEvent: self._close,
            SequenceEndEvent: self._close,
        }

    def read(self, parser: Any) -> Any:
        """Return what all events of the parser say together."""
        while type(event := parser.get_event()) is not StreamEndEvent:
            if (take := self._takes.get(type(event))) is not None:
                take(event)
            elif type(event) not in {StreamStartEvent, DocumentEndEvent}:
                raise Unsure  # an alias
        return self._top[0] if self._top else None

    def _start(self, event: Any) -> None:
        if event.version or event.tags or self._top:
            raise Unsure

    def _scalar(self, event: Any) -> None:
        if event.anchor or event.tag:
            raise Unsure
        value = event.value.replace(_STAND_IN, ":")
        value = _meant(value) if event.implicit[0] else value
        if self._key is not None or type(self._node) is list:
            self._put(value)
        elif type(value) is str and value not in self._node:
            self._key = value
        else:
            raise Unsure

    def _open(self, event: Any) -> None:
        is_key = self._key is None and type(self._node) is dict
        if event.anchor or event.tag or is_key or len(self._outer) > _DEEPEST:
            raise Unsure
        node: Any = {} if type(event) is MappingStartEvent else []
        self._put(node)
        self._outer.append(self._node)
        self._node = node

    def _close(self, _: Any) -> None:
        self._node = self._outer.pop()

    def _put(self, value: Any) -> None:
        if self._key is None:
            self._node.append(value)
        else:
            self._node[self._key] = value
            self._key = None


@lru_cache(4096)
def _meant(text: str) -> Any:
    """Return the value of a plain scalar; raise Unsure of times, merge keys and others."""
    tag = str(_YAML.resolver.resolve(ScalarNode, text, (True, False)))
    if tag == _TEXT:
        return text
    if tag not in _SCALARS:
        raise Unsure
    return _YAML.constructor.yaml_constructors[tag](_YAML.constructor, ScalarNode(tag, text))
