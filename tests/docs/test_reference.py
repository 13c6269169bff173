"""The generated references: every key says what it is, and the pages are what is generated."""

import pytest
from pydantic import BaseModel

from docs.generate import FOLDER, Part, pages, sections, undescribed
from relay.config import RelayFile, RouteFile


@pytest.mark.parametrize("model", [RelayFile, RouteFile])
def test_every_key_says_what_it_is(model: type[BaseModel]) -> None:
    """Each field of each section has a description, which editors and the reference show."""
    assert undescribed(model) == set()


def test_references_are_what_is_generated() -> None:
    """Nothing is stale, missing or left over: make them anew with `make docs`."""
    made = pages()
    assert {path.name for path in FOLDER.iterdir()} == made.keys()
    for name, text in made.items():
        assert (FOLDER / name).read_text("utf-8") == text, name


def test_sections_of_all_kinds_are_there() -> None:
    """Parts in lists, under names, and in one of several forms have their sections too."""
    paths = {part.path for part in (*sections(RelayFile), *sections(RouteFile))}
    assert paths >= {
        "",
        "limits",
        "egress",
        "targets.NAME",
        "senders.NAME",
        "forward[].to",
        "metrics[]",
    }
    assert Part("", RelayFile) in sections(RelayFile)
