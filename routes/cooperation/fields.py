"""The kinds of field that the catalogue's events have: texts, ids, counts, periods.

Each is described in both languages.
"""

import re
import unicodedata
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .moment import When
from .places import Department, Place

_LONGEST = 4000  # characters
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # a line break and a tab are text
_REFERENCE = rf"^(?:{'|'.join(Place)})/[A-Za-z0-9][A-Za-z0-9._-]{{0,79}}$"


def about(vi: str, en: str, **constraints: Any) -> Any:
    """Return a field with its meaning in both languages and its constraints.

    The JSON Schemas carry both.
    """
    return Field(description=en, json_schema_extra={"x-vi": vi}, **constraints)


def fault(en: str, vi: str) -> PydanticCustomError:
    """Return an error for a validator to raise, in both languages."""
    return PydanticCustomError("cooperation", "{en} / {vi}", {"en": en, "vi": vi})


def _composed(text: str) -> str:
    """Put every letter and its marks into one character (NFC), as others write Vietnamese."""
    if _CONTROL.search(text):
        raise fault("text has no control characters", "văn bản không được chứa ký tự điều khiển")
    return unicodedata.normalize("NFC", text)


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST),
    AfterValidator(_composed),
]
Reference = Annotated[str, StringConstraints(pattern=_REFERENCE)]
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
Figure = Literal["enterprises", "delegates", "contracts", "memoranda", "processes", "products"]


class Part(BaseModel):
    """Frozen, and closed to unknown keys."""

    # Built as parts of the catalogue alone: each for itself as well, it would take twice as long to
    # load.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Period(Part):
    """From when until when, both included."""

    first: Annotated[When, about("Bắt đầu từ", "when it begins")]
    last: Annotated[When, about("Đến hết", "when it ends")]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.last.last < self.first.first:
            raise fault(
                "a period ends after it begins", "thời điểm kết thúc phải sau thời điểm bắt đầu"
            )
        return self

    def touches(self, first: date, last: date) -> bool:
        """Tell whether it has a day in common with the days from `first` to `last`."""
        return self.first.first <= last and self.last.last >= first


class Charge(Part):
    """A department of a place that is in charge."""

    place: Annotated[Place, about("Địa phương", "the place")]
    department: Annotated[Department, about("Sở, ngành phụ trách", "its department")]


class Money(Part):
    """An amount in whole units of its currency."""

    amount: Annotated[int, about("Số tiền, số nguyên", "whole units", strict=True, ge=0, le=10**18)]
    currency: Annotated[Literal["VND", "USD"], about("Đơn vị tiền tệ", "the currency")]


class Product(Part):
    """One OCOP product."""

    name: Annotated[Text, about("Tên sản phẩm", "what it is called")]
    producer: Annotated[Text | None, about("Chủ thể sản xuất", "who makes it")] = None
    stars: Annotated[
        int | None, about("Hạng sao OCOP", "its OCOP rating", strict=True, ge=3, le=5)
    ] = None
