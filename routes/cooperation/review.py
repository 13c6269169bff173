"""The review of a programme and period, out of the events that `relay export` wrote.

Two commands make a page:

    relay export --route cooperation -o events.jsonl
    python routes/cooperation/review.py events.jsonl --programme south-central-coast --html it.html

`--json it.json` writes the same as JSON.
"""

import argparse
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

if not __package__:  # it is run as a file: its folder becomes the package that it is to the relay
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = Path(__file__).resolve().parent.name
    importlib.import_module(__package__)

from .computing import compute
from .moment import parse
from .page import Origin, render
from .payload import AnyEvent, CooperationEvent
from .places import PROGRAMMES, ZONE, Programme

_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(CooperationEvent)


class ExportInvalid(ValueError):
    """A line of an export that is no event of the catalogue; the text says which, and why."""


def read(lines: Sequence[str], name: str) -> Iterator[AnyEvent]:
    """Return the events of an export; raise ExportInvalid for a line that holds none."""
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            body = json.loads(line)["body"]
            yield _ADAPTER.validate_json(json.dumps(body))
        except (ValueError, KeyError, TypeError) as error:
            raise ExportInvalid(f"{name}:{n}: {_told(error)}") from None


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
    if isinstance(error, KeyError):
        return f"no member {error}: is it an export of the relay?"
    return f"{error}: is it an export of the relay?"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages and the JSON that the arguments name.

    Without any of them the JSON goes to standard output.
    """
    asked = _parser().parse_args(arguments)
    programme = Programme(asked.programme)
    years = PROGRAMMES[programme].years
    try:
        first = parse(asked.first or str(years[0])).first
        last = parse(asked.last or str(years[1])).last
        as_of = date.fromisoformat(asked.as_of) if asked.as_of else datetime.now(ZONE).date()
    except ValueError as error:
        print(f"{error} is no date: write 2023, 2023-04 or 2023-04-12", file=sys.stderr)
        return 2
    path = Path(asked.export)
    try:
        data = sys.stdin.buffer.read() if asked.export == "-" else path.read_bytes()
        review = compute(read(data.decode().split("\n"), path.name), programme, first, last, as_of)
        text = json.dumps(review.as_json(), ensure_ascii=False, indent=2) + "\n"
        if asked.html:
            origin = Origin(path.name, hashlib.sha256(data).hexdigest())
            _write(Path(asked.html), render(review, asked.language, origin))
        if asked.json:
            _write(Path(asked.json), text)
    except (OSError, UnicodeDecodeError, ExportInvalid) as error:
        print(error, file=sys.stderr)
        return 1
    if not asked.html and not asked.json:
        print(text, end="")
    return 0


def _write(path: Path, text: str) -> None:
    """Write all of it or nothing."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="review.py",
        description="The review of a programme and period, out of exported events.",
    )
    parser.add_argument(
        "export", help="what `relay export --route cooperation` wrote; - for standard input"
    )
    parser.add_argument("--programme", required=True, choices=[one.value for one in Programme])
    parser.add_argument("--first", help="the first year, month or day (default: the programme's)")
    parser.add_argument("--last", help="the last year, month or day (default: the programme's)")
    parser.add_argument("--as-of", help="the day as of which ages are told (default: today)")
    parser.add_argument(
        "--language", choices=["vi", "en"], default="vi", help="of the page (default: vi)"
    )
    parser.add_argument("--html", help="write the page to this file")
    parser.add_argument("--json", help="write the JSON to this file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
