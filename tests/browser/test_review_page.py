"""The review and the catalogue in a real Chromium: both languages, on a screen and on paper."""

import html
import json
import re
import unicodedata
from pathlib import Path

import pytest

from routes.cooperation.review import main
from tests.support.chromium import printed, screenshot
from tests.support.cooperation import EXAMPLES, exported, first_year
from tests.support.site import REPOSITORY

DOCS = REPOSITORY / "docs" / "cooperation"
TOLD = {
    "vi": (
        "Tổng hợp tình hình thực hiện",
        "Nội dung song phương",
        "Khánh Hòa",
        "khoảng 200",
        "91,7%",
        "Bình Định",
    ),
    "en": (
        "Review of what was done",
        "Bilateral items",
        "Khánh Hòa",
        "about 200",
        "91.7%",
        "Bình Định",
    ),
}


def page(folder: Path, language: str, programme: str = "south-central-coast") -> Path:
    """Write the review of the first year and the examples, so that no part of the page is empty."""
    export = folder / "events.jsonl"
    open_ones = [
        body
        for kind, body in EXAMPLES.items()
        if kind not in {"obstacle.resolved", "project.terminated"}
    ]
    export.write_text(exported([*first_year(), *open_ones]), "utf-8")
    file = folder / f"review.{language}.html"
    options = [
        "--programme",
        programme,
        "--language",
        language,
        "--as-of",
        "2024-08-01",
        "--html",
        str(file),
    ]
    assert main([str(export), *options]) == 0
    return file


def letters(page: Path) -> set[str]:
    """Return every letter that a page shows."""
    text = re.sub(
        r"<style>.*?</style>|<title>.*?</title>|<[^>]+>",
        " ",
        page.read_text("utf-8"),
        flags=re.DOTALL,
    )
    return {letter for letter in html.unescape(text) if letter.isalpha()}


def plain(text: str) -> str:
    """Return a text as a reader hears it: on one line, with single spaces."""
    return " ".join(text.split())


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_review_is_printed_with_every_letter(tmp_path: Path, language: str) -> None:
    """The paper has every letter of the page; none falls apart into its marks."""
    file = page(tmp_path, language)
    text = await printed(file, tmp_path / "review.pdf")
    # The first heading is set in capitals by the style sheet.
    read = plain(text).casefold()
    for phrase in TOLD[language]:
        assert phrase.casefold() in read
    assert unicodedata.is_normalized("NFC", text)
    missing = {letter.casefold() for letter in letters(file)} - set(text.casefold())
    assert missing == set()


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("width", [1000, 600])
async def test_review_is_shown_on_a_screen(tmp_path: Path, language: str, width: int) -> None:
    """A desk's and a telephone's; the picture is of a page full of text, not a blank one."""
    picture = tmp_path / "review.png"
    assert await screenshot(page(tmp_path, language), picture, width, 2000) == (width, 2000)
    assert picture.stat().st_size > 60_000  # a blank page takes a few kilobytes


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_catalogue_is_printed_with_every_letter(tmp_path: Path, language: str) -> None:
    """Its examples too, in a typeface of fixed width."""
    file = DOCS / f"catalogue.{language}.html"
    text = await printed(file, tmp_path / "catalogue.pdf")
    missing = {letter.casefold() for letter in letters(file)} - set(text.casefold())
    assert missing == set()
    assert "Thủ tục đưa hàng vào hệ thống phân phối kéo dài" in plain(text)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_review_holds_all_it_needs(tmp_path: Path, language: str) -> None:
    """The page loads nothing: no script, no font, no picture, no address.

    It names the file that it was computed from.
    """
    text = page(tmp_path, language).read_text("utf-8")
    assert not re.search(r"<(script|link|img|iframe|object)\b|url\(|@import|\bsrc=", text)
    assert "default-src 'none'" in text
    assert set(re.findall(r'https?://[^"\s<]+', text)) <= {"http://www.w3.org/2000/svg"}
    assert unicodedata.is_normalized("NFC", text)
    assert "events.jsonl" in text


def test_text_of_senders_is_no_markup(tmp_path: Path) -> None:
    """A title that looks like HTML is shown as it is file, in tables and charts alike."""
    export = tmp_path / "events.jsonl"
    kinds = ("item.planned", "happening.held", "obstacle.raised", "plan.shared")
    export.write_text(
        exported([{**EXAMPLES[kind], "title": "<b onclick=x>&amp;"} for kind in kinds])
    )
    file = tmp_path / "review.html"
    assert main([str(export), "--programme", "south-central-coast", "--html", str(file)]) == 0
    text = file.read_text()
    assert "<b onclick" not in text
    assert text.count("&lt;b onclick=x&gt;&amp;amp;") >= len(kinds)


def test_review_of_a_damaged_export_names_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is file of it, and what is wrong is told with file and line."""
    export, file = tmp_path / "events.jsonl", tmp_path / "review.json"
    export.write_text(
        exported([EXAMPLES["happening.held"]]) + '{"body": {"type": "happening.held"}}\n'
    )
    assert main([str(export), "--programme", "south-central-coast", "--json", str(file)]) == 1
    assert "events.jsonl:2: happening.held.programme: Field required" in capsys.readouterr().err
    assert not file.exists()
    export.write_text("not JSON\n")
    assert main([str(export), "--programme", "south-central-coast"]) == 1
    assert "events.jsonl:1: " in capsys.readouterr().err
    assert main([str(export), "--programme", "south-central-coast", "--first", "soon"]) == 2


def test_review_goes_to_standard_output_if_no_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, for programs."""
    export = tmp_path / "events.jsonl"
    export.write_text(exported(first_year()))
    assert main([str(export), "--programme", "south-central-coast"]) == 0
    assert json.loads(capsys.readouterr().out)["items"]["bilateral"] == {
        "planned": 11,
        "carried_out": 10,
    }
