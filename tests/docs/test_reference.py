"""The generated references: every key says what it is, and the pages are what is generated."""

import pytest
from pydantic import BaseModel

from docs.generate import FOLDER, Part, pages, sections, undescribed
from relay.config import RelayFile, RouteFile

# Sections whose keys have no descriptions yet; none may be added.
NOT_YET = {
    "MessageId", "Timestamp", "VerifyBasic", "VerifyGithub", "VerifyHmac", "VerifyNone", "VerifySlack",
    "VerifyStandard", "VerifyStripe", "VerifyToken",
}  # fmt: skip


@pytest.mark.parametrize("model", [RelayFile, RouteFile])
def test_every_key_says_what_it_is(model: type[BaseModel]) -> None:
    """Each field of each section has a description, which editors and the reference show."""
    silent = undescribed(model)
    assert {key for key in silent if key.partition(".")[0] not in NOT_YET} == set()


def test_list_of_silent_sections_is_not_longer_than_it_must_be() -> None:
    """A section whose keys are all described leaves the list."""
    silent = {key.partition(".")[0] for key in undescribed(RelayFile) | undescribed(RouteFile)}
    assert silent == NOT_YET


def test_references_are_what_is_generated() -> None:
    """Nothing is stale, missing or left over: make them anew with `make docs`."""
    made = pages()
    assert {path.name for path in FOLDER.iterdir()} == made.keys()
    for name, text in made.items():
        assert (FOLDER / name).read_text("utf-8") == text, name


def test_sections_of_all_kinds_are_there() -> None:
    """What stands in lists, under names, and in one of several forms has its section too."""
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
