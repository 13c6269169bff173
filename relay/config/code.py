"""A route folder's own Python: `FILE.py:NAME`, loaded as a package of its own so that reloads start afresh."""

import importlib.util
import itertools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

_numbers = itertools.count()


class CodeInvalid(ValueError):
    """A reference to code that can't be followed; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class CodeFolder:
    """The modules of one folder; they may import each other with `from .other import …`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._package = f"relay_route_{next(_numbers)}_{folder.name.replace('-', '_').replace('.', '_')}"
        self._failed: dict[str, CodeInvalid] = {}

    def get(self, reference: str) -> Any:
        """Return what `FILE.py:NAME` names; raise CodeInvalid."""
        file, colon, name = reference.partition(":")
        if not colon or not file.endswith(".py") or not name.isidentifier() or "/" in file:
            raise CodeInvalid(
                f"{reference!r} names no code", "write FILE.py:NAME, the file beside route.yaml"
            )
        module = self._module(file)
        if not hasattr(module, name):
            raise CodeInvalid(f"{file} has no {name}", f"define {name} in {file}, or name what it defines")
        return getattr(module, name)

    def get_function(self, reference: str) -> Callable[..., Any]:
        """Return the function that `FILE.py:NAME` names; raise CodeInvalid."""
        found = self.get(reference)
        if not callable(found):
            raise CodeInvalid(f"{reference} is not a function", "name a function")
        function: Callable[..., Any] = found
        return function

    def _module(self, file: str) -> ModuleType:
        if file in self._failed:
            raise self._failed[file]
        name = f"{self._package}.{file.removesuffix('.py')}"
        if name in sys.modules:
            return sys.modules[name]
        path = self._folder / file
        if not path.is_file():
            raise CodeInvalid(f"there is no {file} beside route.yaml", f"add {file}, or correct the name")
        if self._package not in sys.modules:
            package = ModuleType(self._package)
            package.__path__ = [str(self._folder)]
            sys.modules[self._package] = package
        try:
            return importlib.import_module(name)
        except Exception as error:  # a route's own code may raise anything
            sys.modules.pop(name, None)
            self._failed[file] = CodeInvalid(_told(error, self._folder), f"mend {file}")
            raise self._failed[file] from error


def _told(error: Exception, folder: Path) -> str:
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '').name}:{error.lineno}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == folder]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{type(error).__name__}: {error}"
