"""The catalogue for departments' developers: a page a language, and the JSON Schemas.

The models are their source:

    python routes/cooperation/catalogue.py docs/cooperation
"""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if not __package__:  # it is run as a file: its folder becomes the package that it is to the relay
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = Path(__file__).resolve().parent.name
    importlib.import_module(__package__)

from .dates import Language
from .envelope import Happened
from .places import DEPARTMENTS, PLACES, PROGRAMMES
from .schemas import KINDS, of_any, of_type

_FOLDER = Path(__file__).parent
_COMMON = tuple(Happened.model_fields)
_FAMILIES = (
    ("agreement", "Thỏa thuận", "Agreements"),
    ("item", "Nội dung hợp tác", "Items of cooperation"),
    ("obstacle", "Khó khăn, vướng mắc", "Obstacles"),
    ("project", "Dự án kêu gọi đầu tư", "Projects that call for investment"),
    ("happening", "Hoạt động thương mại, du lịch", "Trade and tourism happenings"),
    ("contract", "Hợp đồng", "Contracts"),
    ("memorandum", "Biên bản ghi nhớ", "Memoranda"),
    ("product", "Sản phẩm OCOP", "OCOP products"),
    ("expertise", "Chuyển giao kỹ thuật", "Expertise"),
    ("policy", "Cơ chế, chính sách", "Policies"),
    ("plan", "Chương trình, kế hoạch", "Plans"),
    ("event", "Phản hồi", "Acknowledgements"),
)
_KINDS = {
    "string": ("văn bản", "text"),
    "integer": ("số nguyên", "whole number"),
    "boolean": ("true hoặc false", "true or false"),
    "moment": ("thời điểm", "moment"),
    "date": ("ngày, YYYY-MM-DD", "day, YYYY-MM-DD"),
    "reference": ("mã", "id"),
    "list": ("danh sách", "list of"),
    "null": ("hoặc null", "or null"),
}
_LINKED = {"Place": "places", "Department": "departments", "Programme": "programmes"}


class Member(NamedTuple):
    """One member of an event as the page shows it.

    `anchor` is where its codes stand, '' if it has none.
    """

    name: str
    needed: bool
    kind: str
    anchor: str
    codes: tuple[str, ...]
    about: str


class _Told:
    """Describes the members of a schema in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def pick(self, vi: str, en: str) -> str:
        """Return the words in the page's language."""
        return vi if self._language == "vi" else en

    def members(self, schema: Mapping[str, Any]) -> list[Member]:
        """Return the members of an object, those that are needed marked."""
        return [
            self._member(name, found, schema, needed=name in schema.get("required", []))
            for name, found in schema["properties"].items()
            if name != "type"
        ]

    def parts(self, schema: Mapping[str, Any]) -> dict[str, list[Member]]:
        """Return the members of each object that the schemas share."""
        return {
            name: [
                self._member(member, found, schema, needed=member in part.get("required", []))
                for member, found in part["properties"].items()
            ]
            for name, part in sorted(schema["$defs"].items())
            if name in {"Charge", "Money", "Period", "Product"}
        }

    def _member(
        self, name: str, found: Mapping[str, Any], schema: Mapping[str, Any], *, needed: bool
    ) -> Member:
        kind, anchor = self._kind(found)
        one = next(
            (each for each in found.get("anyOf", [found]) if each.get("type") != "null"), found
        )
        codes = one.get("enum") or one.get("items", {}).get("enum") or ()
        return Member(
            name,
            needed,
            kind,
            anchor,
            tuple(codes),
            self.pick(found.get("x-vi", ""), found.get("description", "")),
        )

    def _kind(self, found: Mapping[str, Any]) -> tuple[str, str]:
        if "anyOf" in found:
            kind, anchor = self._kind(
                next(each for each in found["anyOf"] if each.get("type") != "null")
            )
            return f"{kind} {self.pick(*_KINDS['null'])}", anchor
        if "$ref" in found:
            name = found["$ref"].rpartition("/")[2]
            return name.lower(), _LINKED.get(name, name.lower())
        if found["type"] == "array":
            kind, anchor = self._kind(found["items"])
            return f"{self.pick(*_KINDS['list'])} {kind}", anchor
        return self.pick(*_KINDS[_named(found)]), ""


def _named(found: Mapping[str, Any]) -> str:
    if found.get("format") == "date":
        return "date"
    if "examples" in found:
        return "moment"
    return "reference" if "pattern" in found else str(found["type"])


def pages() -> Iterator[tuple[str, str]]:
    """Return every file of the catalogue: its name, and what it holds."""
    yield "schemas/event.schema.json", _json(of_any())
    for kind in KINDS:
        yield f"schemas/{kind}.schema.json", _json(of_type(kind))
    yield "catalogue.vi.html", _page("vi")
    yield "catalogue.en.html", _page("en")


def _page(language: Language) -> str:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    told = _Told(language)
    common = [one for one in told.members(of_type("item.planned")) if one.name in _COMMON]
    return environment.get_template("catalogue.html.jinja").render(
        language=language,
        b=told.pick,
        common=common,
        families=[
            (
                code,
                told.pick(vi, en),
                [_shown(kind, told) for kind in KINDS if kind.partition(".")[0] == code],
            )
            for code, vi, en in _FAMILIES
        ],
        parts=told.parts(of_any()),
        places=PLACES,
        departments=DEPARTMENTS,
        programmes=PROGRAMMES,
        first=_example("obstacle.raised"),
    )


def _shown(kind: str, told: _Told) -> dict[str, Any]:
    model = KINDS[kind]
    return {
        "type": kind,
        "name": told.pick(model.name.vi, model.name.en),
        "when": told.pick(model.when.vi, model.when.en),
        "members": [one for one in told.members(of_type(kind)) if one.name not in _COMMON],
        "example": _example(kind),
    }


def _example(kind: str) -> str:
    return (_FOLDER / "examples" / f"{kind}.json").read_text("utf-8").strip()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write all files of the catalogue into a folder."""
    if len(arguments) != 1:
        print("usage: catalogue.py FOLDER", file=sys.stderr)
        return 2
    for name, text in pages():
        path = Path(arguments[0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
