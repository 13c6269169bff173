"""Loads a route folder's own Python, `FILE.py:NAME`.

Each load of a folder is a package of its own, so that a reload starts afresh.
"""

import importlib
import importlib.util
import itertools
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from relay.code.deadline import describe_error
from relay.errors import RelayError

_PACKAGE = "relay_route_"
_numbers = itertools.count()


class CodeInvalid(RelayError):
    """A reference to code that can't be used; `remedy` tells its author what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class CodeFolder:
    """The modules of one folder; they may import each other with `from .other import …`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._package = (
            f"{_PACKAGE}{next(_numbers)}_{folder.name.replace('-', '_').replace('.', '_')}"
        )
        self._failed: dict[str, CodeInvalid] = {}

    def get(self, reference: str) -> Any:
        """Return the object that `FILE.py:NAME` names; raise CodeInvalid."""
        file, colon, name = reference.partition(":")
        if not colon or not file.endswith(".py") or not name.isidentifier() or "/" in file:
            raise CodeInvalid(
                f"{reference!r} names no code", "write FILE.py:NAME, the file beside route.yaml"
            )
        module = self._module(file)
        if not hasattr(module, name):
            raise CodeInvalid(
                f"{file} has no {name}", f"define {name} in {file}, or name what it defines"
            )
        return getattr(module, name)

    def get_function(self, reference: str) -> Callable[..., Any]:
        """Return the function that `FILE.py:NAME` names; raise CodeInvalid."""
        function = self.get(reference)
        if not callable(function):
            raise CodeInvalid(f"{reference} is not a function", "name a function")
        checked: Callable[..., Any] = function
        return checked

    def _module(self, file: str) -> ModuleType:
        if file in self._failed:
            raise self._failed[file]
        name = f"{self._package}.{file.removesuffix('.py')}"
        if name in sys.modules:
            return sys.modules[name]
        path = self._folder / file
        if not path.is_file():
            raise CodeInvalid(
                f"there is no {file} beside route.yaml", f"add {file}, or correct the name"
            )
        if self._package not in sys.modules:
            package = ModuleType(self._package)
            package.__path__ = [str(self._folder)]
            sys.modules[self._package] = package
        try:
            return importlib.import_module(name)
        # All: a route's own code may raise anything.
        except BaseException as error:
            sys.modules.pop(name, None)
            self._failed[file] = CodeInvalid(_describe(error, self._folder), f"mend {file}")
            raise self._failed[file] from error


class _Finder(MetaPathFinder):
    """Finds the modules of route folders, and compiles them from their source each time.

    Python takes cached bytecode for fresh while size and whole-second time are the same: after a
    quick edit, the old code would run. And a route folder is no place to leave caches in.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of a route folder, None for any other."""
        package, _, name = fullname.rpartition(".")
        if not package.startswith(_PACKAGE) or not path:
            return None
        file = Path(path[0]) / f"{name}.py"
        if not file.is_file():
            return None
        return importlib.util.spec_from_file_location(
            fullname, file, loader=_Loader(fullname, str(file))
        )


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Compile the source."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


sys.meta_path.insert(0, _Finder())


def _describe(error: BaseException, folder: Path) -> str:
    """Return the text of an error, with the file and line in the folder that raised it."""
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '').name}:{error.lineno}: {error.msg}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent == folder
    ]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{describe_error(error)}"
