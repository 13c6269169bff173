"""Each folder of data/config is a config with the fault that its name says.

`expected.txt` holds the lines of its problems. `<…>` in one of them stands for the words of
somebody else's library: they change with its version and with Python's. A route's own code stands
there as `NAME.py.txt`, because some of it is no Python on purpose.
"""

import re
import shutil
from itertools import zip_longest
from pathlib import Path

import pytest

from relay.config import SecretsMode, load
from relay.errors import ConfigInvalid

CASES = Path(__file__).parents[2] / "data" / "config"
NAMES = sorted(path.name for path in CASES.iterdir())
_LINE = re.compile(r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<message>.+) — (?P<remedy>.+)")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELAY_TEST_NOT_SET", raising=False)
    monkeypatch.setenv("RELAY_TEST_NOT_BASE64", "not base64!")


def problems(name: str, tmp_path: Path) -> list[str]:
    """Load a copy of the case, and return the lines of its problems without the folder's path.

    A copy, so that nothing is written beside the case.
    """
    folder = tmp_path / name
    shutil.copytree(CASES / name, folder)
    for code in folder.rglob("*.py.txt"):
        code.rename(code.with_suffix(""))
    with pytest.raises(ConfigInvalid) as caught:
        load(folder / "relay.yaml", SecretsMode.PRETEND)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def fits(line: str, pattern: str) -> bool:
    """Tell whether the line is the expected one, with any words where the pattern has `<…>`."""
    return re.fullmatch(".+".join(map(re.escape, pattern.split("<…>"))), line) is not None


@pytest.mark.parametrize("name", NAMES)
def test_problem_is_told_where_it_stands(name: str, tmp_path: Path) -> None:
    """Each problem has a line of its own: file, line, column, message, remedy."""
    expected = (CASES / name / "expected.txt").read_text("utf-8").splitlines()
    lines = problems(name, tmp_path)
    assert lines == [
        line if fits(line, pattern) else pattern
        for line, pattern in zip_longest(lines, expected, fillvalue="")
    ]


@pytest.mark.parametrize(
    ("line", "fit"),
    [
        ("a.yaml:1:1: is not JSON: Illegal comma — mend it", True),
        ("a.yaml:1:1: is not JSON:  — mend it", False),
        ("a.yaml:1:2: is not JSON: Illegal comma — mend it", False),
        ("a.yaml:1:1: is not JSON: Illegal comma — drop it", False),
    ],
)
def test_words_of_a_library_are_not_pinned(line: str, fit: bool) -> None:  # noqa: FBT001  a table's column
    """A library may word its message as it likes, but not leave it empty; our words are held."""
    assert fits(line, "a.yaml:1:1: is not JSON: <…> — mend it") is fit


@pytest.mark.parametrize("name", NAMES)
def test_expected_lines_are_whole(name: str) -> None:
    """Each expected line names a place that the file has, and a remedy."""
    lines = (CASES / name / "expected.txt").read_text("utf-8").splitlines()
    assert lines
    for line in lines:
        found = _LINE.fullmatch(line)
        assert found, line
        text = (CASES / name / found["file"]).read_bytes().splitlines()
        assert 1 <= int(found["line"]) <= len(text) + 1
        row = (
            text[int(found["line"]) - 1].decode("latin-1")
            if int(found["line"]) <= len(text)
            else ""
        )
        assert 1 <= int(found["column"]) <= len(row) + 1, line


def test_there_are_many_cases() -> None:
    """The folder is found at all."""
    assert len(NAMES) >= 22


def test_three_broken_files_are_all_told_at_once(tmp_path: Path) -> None:
    """One run shows the faults of the config, of the targets file and of two routes."""
    files = {line.split(":")[0] for line in problems("three-broken-files", tmp_path)}
    assert files == {
        "relay.yaml",
        "targets.yaml",
        "routes/first/route.yaml",
        "routes/second/route.yaml",
    }


def test_no_problem_shows_a_password(tmp_path: Path) -> None:
    """A URL with a password in it is refused without repeating the password."""
    assert "secret-word" not in "\n".join(problems("bad-url-userinfo", tmp_path))


def test_duplicate_key_shows_no_values(tmp_path: Path) -> None:
    """A key that stands twice is named without its values: they may be secrets."""
    folder = tmp_path / "duplicate"
    folder.mkdir()
    text = "admin:\n  token: first-literal-token\n  token: second-literal-token\n"
    (folder / "relay.yaml").write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        load(folder / "relay.yaml", SecretsMode.PRETEND)
    assert "literal-token" not in str(caught.value)
