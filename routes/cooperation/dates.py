"""Dates as readers write them, in Vietnamese and in English.

Vietnamese dates follow Decree 30/2020/NĐ-CP on official documents.
"""

from datetime import date, datetime
from typing import Literal

from .moment import Moment
from .places import ZONE

Language = Literal["vi", "en"]
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October",
    "November", "December",
)  # fmt: skip


def day(one: date, language: Language) -> str:
    """Write a day: 05/02/2023, 25/3/2023; 5 February 2023."""
    if language == "en":
        return f"{one.day} {_MONTHS[one.month - 1]} {one.year}"
    # Days below 10, and the months 1 and 2, have a zero before them.
    month = f"{one.month:02}" if one.month < 3 else str(one.month)
    return f"{one.day:02}/{month}/{one.year}"


def moment(when: Moment, language: Language) -> str:
    """Write a moment as exactly as it is known."""
    match len(when.text):
        case 4:
            return f"năm {when.text}" if language == "vi" else when.text
        case 7:
            named = _MONTHS[when.first.month - 1]
            return (
                f"tháng {when.first.month} năm {when.first.year}"
                if language == "vi"
                else f"{named} {when.first.year}"
            )
        case 10:
            return day(when.first, language)
    at = datetime.fromisoformat(when.text).astimezone(ZONE)
    told = day(at.date(), language)
    return f"{at:%H:%M} ngày {told}" if language == "vi" else f"{told}, {at:%H:%M}"
