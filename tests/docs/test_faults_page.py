"""docs/faults.md: every fault has tests that bear its number, and the page names their files."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "faults.md"
FAULTS = range(1, 33)
_MARK = re.compile(r"\bmark\.fault\((\d+)\)")
_ROW = re.compile(r"\| (\d+) \| (.+) \| (.+) \| (.+) \|")


def marked() -> dict[int, str]:
    """Return the files that have tests of each fault, as the page writes them."""
    found: dict[int, set[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for number in _MARK.findall(file.read_text("utf-8")):
            found.setdefault(int(number), set()).add(f"`{file.relative_to(TESTS)}`")
    return {number: ", ".join(sorted(files)) for number, files in found.items()}


def test_every_fault_has_a_test_that_bears_its_number() -> None:
    """And there is no number without a fault."""
    assert sorted(marked()) == list(FAULTS)


def test_page_names_the_tests_of_every_fault() -> None:
    """One row a fault, in order; its last column is what the markers say."""
    rows = {int(number): tests for number, _, _, tests in _ROW.findall(PAGE.read_text("utf-8"))}
    assert list(rows) == list(FAULTS)
    assert rows == marked()
