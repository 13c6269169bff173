"""The project's pages as data: what stands in their blocks, code spans, links and headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.site import REPOSITORY

_FENCE = "```"
_SPAN = re.compile(r"`([^`]+)`")
_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: the paragraph before it, its language ('' if none is named), its text."""

    lead: str
    language: str
    text: str

    @property
    def file(self) -> str:
        """The path of the file that the paragraph announces, '' if it announces none."""
        named = _PATH.search(self.lead)
        return named[1] if named and self.lead.endswith(":") else ""


def read(page: str) -> str:
    """Return the text of a page, named by its path; of the changelog, only what is newest."""
    text = (REPOSITORY / page).read_text("utf-8")
    return "\n## ".join(text.split("\n## ")[:2]) if page == "CHANGELOG.md" else text


def pages() -> list[str]:
    """Return the paths of all pages inside the repository, but for those of its routes."""
    found = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    return sorted(str(path.relative_to(REPOSITORY)) for path in found)


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks and the indented ones, in their order."""
    lead, language, lines = "", "", list[str]()
    fenced = ended = False
    for line in [*text.splitlines(), ""]:
        if line.startswith(_FENCE):
            if lines:
                yield Block(lead, language, "\n".join(lines) + "\n")
            fenced, language, lines, ended = not fenced, line.removeprefix(_FENCE), [], True
        elif fenced or line.startswith("    "):
            lines.append(line if fenced else line[4:])
        elif not line:
            ended = True
        else:
            if lines:
                yield Block(lead, "", "\n".join(lines) + "\n")
                lines = []
            lead, ended = line if ended else f"{lead} {line}", False
    if lines:
        yield Block(lead, "", "\n".join(lines) + "\n")


def files(page: str) -> dict[str, str]:
    """Return the files that a page tells to write, by their paths."""
    return {block.file: block.text for block in blocks(read(page)) if block.language and block.file}


def prose(text: str) -> str:
    """Return a page without its blocks."""
    without = re.sub(rf"^{_FENCE}.*?^{_FENCE}$", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(line for line in without.splitlines() if not line.startswith("    "))


def spans(text: str) -> list[str]:
    """Return the code spans of a page's prose."""
    return _SPAN.findall(prose(text))


def links(text: str) -> list[str]:
    """Return where the links of a page's prose lead."""
    return _LINK.findall(_SPAN.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """Return the names under which a link finds the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def resolve(page: str, link: str) -> Path:
    """Return the file to which a link of a page leads."""
    path, _, _ = link.partition("#")
    return (REPOSITORY / page).parent / path if path else REPOSITORY / page
