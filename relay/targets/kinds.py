"""The kinds of target: all modules of this package that have a `KIND`; no list names them."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Tag

from relay import targets
from relay.targets.target import Kind, Options

_USUAL = "url"  # of a section with no kind's key, this one is reported as missing


def _discover() -> Iterator[Kind]:
    for module in pkgutil.iter_modules(targets.__path__, f"{targets.__name__}."):
        if module.name != __name__:
            kind = getattr(importlib.import_module(module.name), "KIND", None)
            if isinstance(kind, Kind):
                yield kind


# In a fixed order: of a section with the keys of two kinds, always the same key is an unknown one.
KINDS = {kind.key: kind for kind in sorted(_discover(), key=lambda kind: kind.key, reverse=True)}


def _tag(value: Any) -> str:
    """Return the tag of the kind whose options a section, or a model, is."""
    if isinstance(value, Options):
        return next(f"<{key}>" for key, kind in KINDS.items() if type(value) is kind.options)
    keys = value if isinstance(value, dict) else ()
    return f"<{next((key for key in KINDS if key in keys), _USUAL)}>"


if TYPE_CHECKING:
    AnyOptions = Options
else:
    # Tags in angle brackets are left out of the places of problems: they stand in no file.
    AnyOptions = Annotated[
        reduce(or_, (Annotated[kind.options, Tag(f"<{key}>")] for key, kind in KINDS.items())),
        Discriminator(_tag),
    ]
