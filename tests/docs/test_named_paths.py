"""Every file, folder and heading that a page names is there."""

import re

import pytest

from tests.support.pages import anchors, blocks, links, pages, read, resolve, spans
from tests.support.site import REPOSITORY

# A word of code with a slash, or the name of a file as it may stand at the top.
PATH = re.compile(r"\.?[\w-][\w.-]*(?:/[\w.*-]+)+/?|[\w-]+/|[\w-]+\.(?:md|toml|lock)|Makefile")
INSIDE = {"docs/faults.md": "tests"}  # the folder that all paths of a page stand in, and leave out
# What is there once the relay was installed and has run, and what readers are told to write.
MADE = re.compile(r"(?:\.venv|var|secrets|samples|routes/orders)(?:/.*)?")
# With a slash, and yet no path.
OTHER = re.compile(r"(?:application|text)/[\w.*+-]+|\d+/[smh]|tests/FILE")


def named(page: str) -> set[str]:
    """Return the paths that a page names in code."""
    text = read(page)
    code = [*spans(text), *(block.text for block in blocks(text) if block.language in {"", "sh"})]
    words = {word for one in code for word in one.split()}
    return {word for word in words if PATH.fullmatch(word) and not OTHER.fullmatch(word)}


def is_there(page: str, path: str) -> bool:
    """Tell whether a path that a page names exists; `*` stands for any name."""
    folders = (REPOSITORY, REPOSITORY / INSIDE.get(page, ""))
    return any(any(folder.glob(path.rstrip("/"))) for folder in folders)


@pytest.mark.parametrize("page", pages())
def test_paths_that_a_page_names_are_there(page: str) -> None:
    """Every file that a page names exists."""
    wrong = {path for path in named(page) if not MADE.fullmatch(path) and not is_there(page, path)}
    assert wrong == set()


@pytest.mark.parametrize("page", pages())
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    """Links lead to a file or folder of the repository, and to its heading if they name one."""
    for link in links(read(page)):
        if link.startswith(("https://", "http://")):
            continue
        target = resolve(page, link)
        assert target.exists(), link
        if anchor := link.partition("#")[2]:
            assert anchor in anchors(target.read_text("utf-8")), link


def test_wrong_path_is_seen() -> None:
    """A text that looks like a path counts as one in every place where pages name them."""
    assert PATH.fullmatch("relay/lanes/lane.py")
    assert PATH.fullmatch("deplyo/systemd/")
    assert not is_there("README.md", "deplyo/systemd/")
    assert not is_there("docs/faults.md", "faults/test_nothing.py")
    assert is_there("docs/faults.md", "faults/test_*.py")
