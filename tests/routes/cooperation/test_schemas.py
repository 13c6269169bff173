"""The files that departments' developers download: made from the models and true to them."""

import html
import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from routes.cooperation.catalogue import pages
from routes.cooperation.schemas import KINDS, of_any, of_type
from tests.support.cooperation import EXAMPLES, faults, first_year
from tests.support.site import REPOSITORY

DOCS = REPOSITORY / "docs" / "cooperation"
ANY = Draft202012Validator(of_any())
# What any reader of a schema can be told; the rest is said in words.
FAULTS: tuple[dict[str, Any], ...] = (
    {"colour": "red"},
    {"programme": "north-and-north-central"},
    {"programme": "west"},
    {"partners": ["nghe-an"]},
    {"partners": "khanh-hoa"},
    {"place": "hue"},
    {"department": "finance"},
    {"id": "1"},
    {"happened": "2024-09-08T08:00:00"},
    {"happened": "last year"},
    {"public": "yes"},
    {"field": 5},
)


def test_docs_are_what_the_models_make() -> None:
    """Nothing is stale, missing or left over.

    Make them anew with `python routes/cooperation/catalogue.py docs/cooperation`.
    """
    made = dict(pages())
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*") if path.is_file()}
    assert there == made.keys()
    for name, text in made.items():
        assert (DOCS / name).read_text("utf-8") == text, name


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_one_and_takes_the_example(kind: str) -> None:
    """The schema of a type takes its example and no other's; that of any event takes them all."""
    schema = of_type(kind)
    Draft202012Validator.check_schema(schema)
    one = Draft202012Validator(schema)
    assert [other for other, body in EXAMPLES.items() if one.is_valid(body)] == [kind]
    assert ANY.is_valid(EXAMPLES[kind])


def test_schema_takes_the_first_year() -> None:
    """The schema takes every event of the first year."""
    assert [body["id"] for body in first_year() if not ANY.is_valid(body)] == []


@pytest.mark.parametrize("change", FAULTS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_schema_and_model_refuse_the_same(kind: str, change: dict[str, Any]) -> None:
    """The schema finds the same faults as the model, so a sender can check before it sends."""
    body = {**EXAMPLES[kind], **change}
    assert faults(body)
    assert not Draft202012Validator(of_type(kind)).is_valid(body)
    assert not ANY.is_valid(body)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_page_shows_every_type_member_and_code(language: str) -> None:
    """Each has an anchor, an example that is taken, a schema that exists and links that lead on."""
    page = (DOCS / f"catalogue.{language}.html").read_text("utf-8")
    examples = re.findall(r'<pre class="example" data-type="([^"]+)">(.*?)</pre>', page, re.DOTALL)
    assert {kind: json.loads(html.unescape(text)) for kind, text in examples} == EXAMPLES
    for kind in KINDS:
        assert f'<h3 id="{kind}">' in page
        for member in of_type(kind)["properties"]:
            assert f"<code>{member}</code>" in page
    anchors = set(re.findall(r'\bid="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    for link in re.findall(r'href="([^#"][^"]*)"', page):
        assert (DOCS / link).is_file(), link


def test_every_member_is_told_in_both_languages() -> None:
    """No member of any type is without its meaning."""
    for kind in KINDS:
        schema = of_type(kind)
        objects = [schema, *(found for found in schema["$defs"].values() if "properties" in found)]
        for found in objects:
            for name, member in found["properties"].items():
                if name != "type":
                    assert member.get("description"), (kind, name)
                    assert member.get("x-vi"), (kind, name)
