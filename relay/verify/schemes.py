"""The table of schemes: each is a module of this package with `OPTIONS`, found by its file's name.

A scheme is imported when a route names it, so that the start does not pay for the others.
"""

import functools
import importlib
import pkgutil
from typing import Annotated, cast

import relay.verify
from relay.fields.choice import Choice
from relay.verify.options import Options

# Modules of the package that schemes share; all others are schemes.
_SHARED = frozenset({"checks", "mac", "options", "scheme", "schemes"})


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all schemes, sorted, without importing them."""
    modules = {module.name for module in pkgutil.iter_modules(relay.verify.__path__)}
    return tuple(sorted(module.replace("_", "-") for module in modules - _SHARED))


def options(name: str) -> type[Options]:
    """Return the options' model of a scheme; raise KeyError if there is none of that name."""
    if name not in names():
        raise KeyError(name)
    module = importlib.import_module(f"relay.verify.{name.replace('-', '_')}")
    return cast("type[Options]", module.OPTIONS)


AnyVerify = Annotated[Options, Choice("scheme", names, options)]
