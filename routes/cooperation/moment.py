"""When something happened: a year, a month, a day, or a time with its zone.

Years, months and days are those of Asia/Ho_Chi_Minh. ISO 8601 writes all four so that the text
sorts as the time.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from .places import ZONE

_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_PATTERN = (
    rf"^(?:[0-9]{{4}}|[0-9]{{4}}-(?:0[1-9]|1[0-2])|{_DAY}"
    rf"|{_DAY}T[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,6}})?)?(?:Z|[+-][0-9]{{2}}:[0-9]{{2}}))$"
)
_MOMENT = re.compile(_PATTERN)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment: its `text` as the sender wrote it.

    `first` and `last` are the days between which it lies, both included.
    """

    text: str
    first: date
    last: date

    @property
    def sorts(self) -> tuple[date, date, str]:
        """The key that sorts moments.

        Of two that end on the same day, the more exact one comes later.
        """
        return self.last, self.first, self.text


def parse(text: str) -> Moment:
    """Return the moment that `text` names; raise ValueError if it names none."""
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    match len(text):
        case 4:
            return Moment(text, date(int(text), 1, 1), date(int(text), 12, 31))
        case 7:
            first = date.fromisoformat(f"{text}-01")
            following = (first + timedelta(days=31)).replace(day=1)
            return Moment(text, first, following - timedelta(days=1))
        case 10:
            day = date.fromisoformat(text)
            return Moment(text, day, day)
    day = datetime.fromisoformat(text).astimezone(ZONE).date()
    return Moment(text, day, day)


def _validated(value: Any) -> Moment:
    try:
        return parse(value)
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError(
            "moment",
            "write 2023, 2023-04, 2023-04-12, or 2023-04-12T08:30:00+07:00 with its zone; "
            "null if it is not known / "
            "ghi năm, tháng, ngày, hoặc ngày giờ kèm múi giờ; null nếu chưa rõ",
        ) from None


When = Annotated[
    Moment,
    PlainValidator(_validated),
    PlainSerializer(lambda moment: moment.text, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _PATTERN,
            "examples": ["2023", "2023-04", "2023-04-12", "2023-04-12T08:30:00+07:00"],
        }
    ),
]
