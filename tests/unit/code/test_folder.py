"""A route folder's own Python: loaded afresh each time, and one folder knows nothing of another."""

import os
import sys
from pathlib import Path

import pytest

from relay.code.folder import CodeFolder, CodeInvalid

NOW = 1_700_000_000


@pytest.fixture(autouse=True)
def byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python write byte code, as it does unless the environment forbids it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def write(folder: Path, name: str, text: str) -> None:
    """Write a file, always with the same time of change."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    os.utime(folder / name, (NOW, NOW))


def test_function_is_found(tmp_path: Path) -> None:
    """`FILE.py:NAME` is what the file defines."""
    write(tmp_path, "transform.py", "def change(event):\n    return event + 1\n")
    assert CodeFolder(tmp_path).get_function("transform.py:change")(1) == 2


def test_modules_of_a_folder_import_each_other(tmp_path: Path) -> None:
    """`from .other import …` reads the file beside it."""
    write(tmp_path, "names.py", "NAME = 'Lan'\n")
    write(tmp_path, "transform.py", "from .names import NAME\n")
    assert CodeFolder(tmp_path).get("transform.py:NAME") == "Lan"


def test_folders_do_not_see_each_other(tmp_path: Path) -> None:
    """Two routes may both have a `transform.py`, in folders whose names differ by a dash alone."""
    for name in ("a-b", "a_b"):
        write(tmp_path / name, "transform.py", f"NAME = {name!r}\n")
    one, two = CodeFolder(tmp_path / "a-b"), CodeFolder(tmp_path / "a_b")
    assert (one.get("transform.py:NAME"), two.get("transform.py:NAME")) == ("a-b", "a_b")


def test_reload_reads_what_stands_there_now(tmp_path: Path) -> None:
    """An edit of the same length within the same second is read, too: no byte code is stale."""
    write(tmp_path, "transform.py", "VALUE = 1\n")
    assert CodeFolder(tmp_path).get("transform.py:VALUE") == 1
    write(tmp_path, "transform.py", "VALUE = 2\n")
    assert CodeFolder(tmp_path).get("transform.py:VALUE") == 2


def test_file_that_was_just_added_is_found(tmp_path: Path) -> None:
    """A file that came after the folder was first looked at is found by the next load."""
    write(tmp_path, "one.py", "VALUE = 1\n")
    times = (tmp_path.stat().st_atime_ns, tmp_path.stat().st_mtime_ns)
    assert CodeFolder(tmp_path).get("one.py:VALUE") == 1
    write(tmp_path, "two.py", "VALUE = 2\n")
    write(tmp_path, "three.py", "from .two import VALUE\n")
    os.utime(tmp_path, ns=times)  # as on a file system whose clock ticks slowly
    assert CodeFolder(tmp_path).get("three.py:VALUE") == 2


def test_loading_leaves_nothing_behind(tmp_path: Path) -> None:
    """Route folders are somebody's git repository: no byte code is written into them."""
    write(tmp_path, "transform.py", "VALUE = 1\n")
    CodeFolder(tmp_path).get("transform.py:VALUE")
    assert [path.name for path in tmp_path.iterdir()] == ["transform.py"]


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "transform.py",
        "transform:change",
        "../x.py:change",
        "x/y.py:z",
        "transform.py:",
        "transform.py:1x",
        "transform.py:a.b",
        ":change",
        "/etc/x.py:y",
    ],
)
def test_reference_that_names_no_code_is_refused(tmp_path: Path, reference: str) -> None:
    """Code stands beside route.yaml and nowhere else."""
    write(tmp_path, "transform.py", "def change(event):\n    return {}\n")
    with pytest.raises(CodeInvalid, match="names no code"):
        CodeFolder(tmp_path).get(reference)


def test_code_that_exits_is_a_problem_not_an_end(tmp_path: Path) -> None:
    """`sys.exit()` at a module's top level is a fault like any other; the old routes go on."""
    write(tmp_path, "transform.py", "import sys\nsys.exit(1)\n")
    with pytest.raises(CodeInvalid, match=r"transform\.py:2"):
        CodeFolder(tmp_path).get("transform.py:change")


def test_broken_file_is_told_to_each_who_names_it(tmp_path: Path) -> None:
    """Two forwards with transforms from one broken file get the same answer."""
    write(tmp_path, "transform.py", "1 / 0\n")
    code = CodeFolder(tmp_path)
    for _ in range(2):
        with pytest.raises(CodeInvalid, match=r"transform\.py:1: ZeroDivisionError"):
            code.get("transform.py:change")
