"""The house rules that a machine can hold: rooms, lines, prose and units.

CONTRIBUTING.md says why.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "relay"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = 20  # of a folder at most
AT_THE_TOP = 6  # modules beside the packages
LINES = 400  # of a module at most
# Words by which a docstring gives the unit of a number.
UNITS = re.compile(
    r"seconds?\b|\bs\b|bytes?\b|clock|\[0, 1\)|share|ratio|factor|per second|a second|value|bound",
    re.IGNORECASE,
)
# Steady and Wall say their unit themselves.
FLOATS = frozenset({"float"})


def name(file: Path) -> str:
    """Return a file as the tests' names show it."""
    return str(file.relative_to(PACKAGE))


def documented(file: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield every node of a file that has a docstring, with it."""
    for node in ast.walk(ast.parse(file.read_text())):
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, kinds) and (text := ast.get_docstring(node)) is not None:
            yield node, text


def comments(file: Path) -> Iterator[str]:
    """Yield every comment of a file that stands on a line of its own."""
    for line in file.read_text().splitlines():
        if (text := line.strip()).startswith("# "):
            yield text[2:]


def floats(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of a function's parameters that are numbers with a unit."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [
        argument.arg
        for argument in arguments
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id in FLOATS
    ]


def test_rooms_are_few_and_small() -> None:
    """A reader sees the whole of a folder at a glance, and a module in a few screens."""
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if (path / "__init__.py").exists())]
    sizes = {name(folder): len(list(folder.glob("*.py"))) for folder in folders}
    assert {folder: size for folder, size in sizes.items() if size > MODULES} == {}
    assert len(list(PACKAGE.glob("*.py"))) <= AT_THE_TOP
    lengths = {name(file): len(file.read_text().splitlines()) for file in FILES}
    assert {file: length for file, length in lengths.items() if length > LINES} == {}


def test_no_room_is_unused() -> None:
    """Every module is imported by another, or found by its folder's table, or is a command."""
    text = "\n".join(file.read_text() for file in FILES)
    unused = []
    for file in FILES:
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__" or parts[0] == "cli" or parts[:1] in {("verify",), ("targets",)}:
            continue
        package, module = ".".join(("relay", *parts[:-1])), parts[-1]
        imported = (
            rf"from {package} import [^\n]*\b{module}\b|from {package} import \([^)]*\b{module}\b"
        )
        if not re.search(rf"\b{package}\.{module}\b|{imported}", text):
            unused.append(name(file))
    assert unused == []


@pytest.mark.parametrize(("room", "mark"), [("targets", "KIND"), ("verify", "OPTIONS")])
def test_no_kind_and_no_scheme_knows_another(room: str, mark: str) -> None:
    """Each is one file: another may be added, changed or deleted, and it goes on as before."""
    texts = {file.stem: file.read_text() for file in (PACKAGE / room).glob("*.py")}
    members = {
        stem for stem, text in texts.items() if re.search(rf"^{mark} = ", text, re.MULTILINE)
    }
    assert len(members) >= 3
    for stem in members:
        others = "|".join(members - {stem})
        assert re.findall(rf"relay\.{room}(?:\.| import )({others})\b", texts[stem]) == []


@pytest.mark.parametrize("file", FILES, ids=name)
def test_prose_says_who_does_it(file: Path) -> None:
    """No docstring and no comment begins with "What": a subject and a verb say more."""
    openings = [text.splitlines()[0] for _, text in documented(file) if text.startswith("What ")]
    openings += [text for text in comments(file) if text.startswith("What ")]
    assert openings == []


@pytest.mark.parametrize("file", FILES, ids=name)
def test_every_number_has_a_unit(file: Path) -> None:
    """A public function or class with parameters that are floats says what they are measured in."""
    silent = [
        (node.name, floats(node))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and floats(node)
        and not UNITS.search(ast.get_docstring(node) or "")
    ]
    assert silent == []
