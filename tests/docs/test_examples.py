"""The examples of the README and of docs/: whoever copies one has something that works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from relay.cli.commands import build
from relay.config import SecretsMode, load
from relay.expression.cel import Expression, Scope
from tests.support.pages import Block, blocks, files, pages, read, spans
from tests.support.site import Site

ROUTE = {"verify": {"scheme": "none"}, "forward": [{"to": "inbox"}]}
TARGETS = {name: {"file": f"../var/{name}.jsonl"} for name in ("inbox", "chat", "audit")}
# Which file the YAML of a page is a part of, where the prose before it names no file.
PART_OF_A_ROUTE = ("docs/routes.md", "docs/verification.md", "docs/metrics.md")
PART_OF_A_CONFIG = ("docs/targets.md", "docs/configuration.md")
COMMAND = re.compile(r"(?:^|\s)(?:\.venv/bin/)?relay (?!import)([a-z]+)\b([^#|]*)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \|$", re.MULTILINE)


def parts(names: tuple[str, ...]) -> list[Any]:
    """Return the YAML blocks of pages that are a part of a file."""
    return [
        pytest.param(block, id=f"{name}-{number}")
        for name in names
        for number, block in enumerate(blocks(read(name)))
        if block.language == "yaml" and not block.file
    ]


def parsed(block: Block) -> dict[str, Any]:
    """Return a YAML block as plain values."""
    document = YAML(typ="safe", pure=True).load(block.text)
    assert isinstance(document, dict)
    return document


@pytest.fixture(autouse=True)
def named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be the targets and secrets that the examples name."""
    monkeypatch.setenv("SHOP_KEY", "sample")
    monkeypatch.setenv("CRM_TOKEN", "sample")
    site.configure(TARGETS)


@pytest.mark.parametrize("block", parts(PART_OF_A_ROUTE))
def test_part_of_a_route_is_one(block: Block, site: Site) -> None:
    """In a route with it there is no mistake: not in its keys, not in its expressions."""
    written = {Path(name).name: text for name, text in files("docs/routes.md").items()}
    code = {name: text for name, text in written.items() if name.endswith(".py")}
    site.route("orders", {**ROUTE, **parsed(block)}, code)
    load(site.config, SecretsMode.PRETEND)


@pytest.mark.parametrize("block", parts(PART_OF_A_CONFIG))
def test_part_of_a_config_is_one(block: Block, site: Site) -> None:
    """In a `relay.yaml` with it there is no mistake."""
    content = parsed(block)
    site.configure(content.pop("targets", TARGETS), **content)
    load(site.config, SecretsMode.PRETEND)


@pytest.mark.parametrize(("source", "gives"), ROW.findall(read("docs/expressions.md")))
def test_expression_gives_what_the_page_says(source: str, gives: str) -> None:
    """Each row of the table, over the body that the page shows."""
    (body,) = (block for block in blocks(read("docs/expressions.md")) if block.language == "json")
    scope = Scope({"body": json.loads(body.text), "headers": {}, "query": {}})
    assert Expression(source).value(scope) == json.loads(gives)


def commands() -> list[tuple[str, str, str]]:
    """Return the commands that the pages name, each with its page and its arguments."""
    found = []
    for page in pages():
        text = read(page)
        lines = [line for block in blocks(text) for line in block.text.splitlines()]
        for line in (*lines, *spans(text)):
            found += [(page, name, arguments) for name, arguments in COMMAND.findall(line)]
    return sorted(set(found))


@pytest.mark.parametrize(("page", "name", "arguments"), commands())
def test_command_and_its_options_exist(page: str, name: str, arguments: str) -> None:
    """A reader who types what a page shows is told of no unknown command or option."""
    command: Any = get_command(build(name))
    assert name in command.commands, page
    known = {option for parameter in command.commands[name].params for option in parameter.opts}
    assert {*OPTION.findall(arguments)} <= known | {"--help"}, page


def test_readme_is_a_first_screen() -> None:
    """A newcomer reads all of it: whatever takes more words has a page of its own."""
    assert len(read("README.md").split()) <= 750
