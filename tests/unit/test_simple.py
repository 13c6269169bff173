"""Which types are simple: a list of what is known to be validated to the same from a decoded value; no other is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    Json,
    PastDate,
    PrivateAttr,
    RootModel,
    SecretStr,
    StrictInt,
    StringConstraints,
    Tag,
    TypeAdapter,
    WrapValidator,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from relay.config.code import CodeFolder
from relay.config.simple import is_simple

ROUTES = Path(__file__).parents[2] / "routes"
T = TypeVar("T")


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog", "wolf"]


class Tree(BaseModel):
    children: list["Tree"] = []


class Page(BaseModel, Generic[T]):
    items: list[T]


class Shown(BaseModel):
    n: int

    @computed_field
    def twice(self) -> int:
        return self.n * 2

    @field_serializer("n")
    def spelled(self, n: int) -> str:
        return str(n)


class Movie(TypedDict, total=False):
    title: str


class OpenMovie(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    title: str


class Colour(StrEnum):
    RED = "red"


class Number(Enum):
    ONE = 1


class Checked(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def check(cls, n: int) -> int:
        return n


class CheckedCat(Checked):
    kind: Literal["checked"]


class CheckedBefore(BaseModel):
    n: int

    @model_validator(mode="before")
    @classmethod
    def check(cls, value: Any) -> Any:
        value.pop("m", None)
        return value


class CheckedAfter(BaseModel):
    n: int

    @model_validator(mode="after")
    def check(self) -> "CheckedAfter":
        return self


class Initialised(BaseModel):
    n: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class Finished(BaseModel):
    n: int

    def model_post_init(self, context: Any) -> None:
        self.n += 1


class Private(BaseModel):
    n: int
    _seen: bool = PrivateAttr(default=False)


class TypedExtra(BaseModel):
    __pydantic_extra__: dict[str, int]
    model_config = ConfigDict(extra="allow")


class Pair(NamedTuple):
    a: int


@dataclass
class Point:
    x: int


def kind(body: Any) -> str:
    return "cat" if isinstance(body, dict) and body.get("kind") == "cat" else "dog"


def takes(body: Any) -> str:
    return str(body.pop("kind"))


def configured(**config: Any) -> type[BaseModel]:
    options: Any = config
    return create_model("Configured", __config__=options, n=(int, 0))


def field(annotation: Any, **options: Any) -> type[BaseModel]:
    """Return a model with one field."""
    fields: Any = {"n": (annotation, Field(**options))}
    return create_model("WithField", **fields)


def tagged(function: Callable[[Any], Any]) -> Any:
    return Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(function)]


SIMPLE: Mapping[str, Any] = {
    "model": Cat,
    "scalars": tuple[str, int, float, bool, None],
    "bounds": tuple[Annotated[int, Field(gt=1, multiple_of=2)], Annotated[float, Field(le=1, allow_inf_nan=False)]],
    "text-constraints": Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern="^a")],
    "times": tuple[date, datetime, time, AwareDatetime, Annotated[date, Field(ge=date(2020, 1, 1))]],
    "uuid": UUID,
    "texts-literal": Literal["a", "b"],
    "optional": Cat | None,
    "containers": tuple[list[Cat], dict[str, Cat], dict[int, str], tuple[int, ...], set[str], frozenset[int]],
    "mapping": Mapping[str, int],
    "defaults": field(list[int], default=[1]),
    "default-factory": field(datetime, default_factory=lambda: datetime.now(UTC)),
    "alias": field(int, alias="N"),
    "recursive": Tree,
    "generic": Page[Cat],
    "root-model": RootModel[list[Cat]],
    "typed-dict": Movie,
    "by-field": Annotated[Cat | Dog, Field(discriminator="kind")],
    "by-function": tagged(kind),
    "extra-forbid": configured(extra="forbid"),
    "extra-ignore": configured(extra="ignore"),
    "frozen": configured(frozen=True),
    "by-name": configured(validate_by_name=True),
    "stripped": configured(str_strip_whitespace=True),
    "not-strict": field(int, strict=False),
    "computed-and-serialised": Shown,
}  # fmt: skip
NOT_SIMPLE: Mapping[str, Any] = {
    "strict-config": configured(strict=True),
    "strict-field": field(int, strict=True),
    "strict-type": StrictInt,
    "strict-date": Annotated[date, Field(strict=True)],
    "from-attributes": configured(from_attributes=True),
    "numbers-to-text": configured(coerce_numbers_to_str=True),
    "validated-default-config": configured(validate_default=True),
    "validated-default": field(int, default="1", validate_default=True),
    "default-from-data": field(int, default_factory=len),
    "temporal-unit": configured(val_temporal_unit="milliseconds"),
    "bytes-config": configured(val_json_bytes="base64"),
    "extra-allow": configured(extra="allow"),
    "extra-of-a-type": TypedExtra,
    "extra-of-a-typed-dict": OpenMovie,
    "alias-path": field(int, validation_alias=AliasPath("a", 0)),
    "alias-choices": field(int, validation_alias=AliasChoices("a", "b")),
    "any": Any,
    "object": object,
    "bare-list": list,
    "list-of-any": list[Any],
    "bare-dict": dict,
    "dict-of-any": dict[str, Any],
    "bare-tuple": tuple,
    "bare-set": set,
    "union": int | str,
    "union-of-models": Cat | Dog,
    "union-in-a-list": list[int | str],
    "left-to-right": Annotated[int | str, Field(union_mode="left_to_right")],
    "decimal": Decimal,
    "bytes": bytes,
    "timedelta": timedelta,
    "complex": complex,
    "past": PastDate,
    "enum": Colour,
    "enum-of-numbers": Number,
    "number-literal": Literal[1],
    "true-literal": Literal[True],
    "enum-literal": Literal[Colour.RED],
    "mixed-literal": Literal["a", 1],
    "before": Annotated[int, BeforeValidator(lambda value: value)],
    "after": Annotated[int, AfterValidator(lambda value: value)],
    "wrap": Annotated[int, WrapValidator(lambda value, handler: handler(value))],
    "in-a-field": field(Annotated[int, AfterValidator(lambda value: value)]),
    "in-a-key": dict[Annotated[str, AfterValidator(str.lower)], int],
    "field-validator": Checked,
    "model-validator-before": CheckedBefore,
    "model-validator-after": CheckedAfter,
    "own-init": Initialised,
    "post-init": Finished,
    "private": Private,
    "inside-a-root-model": RootModel[Any],
    "inside-a-generic": Page[Any],
    "dataclass": Point,
    "named-tuple": Pair,
    "sequence": Sequence[int],
    "url": HttpUrl,
    "secret": SecretStr,
    "json-in-json": Json[int],
    "instance": Annotated[Any, Field()],
    "by-a-function-that-takes": tagged(takes),
    "by-field-with-a-validator": Annotated[Cat | CheckedCat, Field(discriminator="kind")],
}  # fmt: skip


def judged(annotation: Any) -> bool:
    return is_simple(TypeAdapter(annotation).core_schema)


@pytest.mark.parametrize("annotation", SIMPLE.values(), ids=SIMPLE)
def test_simple_type_is_judged_simple(annotation: Any) -> None:
    """What most payloads are made of is known."""
    assert judged(annotation)


@pytest.mark.parametrize("annotation", NOT_SIMPLE.values(), ids=NOT_SIMPLE)
def test_any_other_type_is_not_simple(annotation: Any) -> None:
    """What the two ways may differ on, and whatever is not known, is validated from the bytes."""
    assert not judged(annotation)


@pytest.mark.parametrize("annotation", NOT_SIMPLE.values(), ids=NOT_SIMPLE)
def test_what_is_not_simple_is_found_wherever_it_is(annotation: Any) -> None:
    """One such field makes the whole model, and what holds that, not simple."""
    assert not judged(dict[str, list[field(annotation | None)]])  # type: ignore[misc]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("github/payload.py:GitHubEvent", True),
        ("stripe/payload.py:StripeEvent", True),
        ("alertmanager/payload.py:AlertGroup", True),
        ("cooperation/payload.py:CooperationEvent", False),  # it has validators of its own
    ],
)
def test_shipped_models_are_judged_as_they_are(reference: str, expected: bool) -> None:  # noqa: FBT001
    """The shipped models without validators are simple."""
    folder, _, code = reference.partition("/")
    assert judged(CodeFolder(ROUTES / folder).get(code)) is expected


def test_unknown_key_is_not_simple() -> None:
    """What a newer pydantic adds to a schema has to be looked at first."""
    schema: dict[str, Any] = {"type": "int"}
    assert is_simple(schema)
    assert not is_simple(schema | {"rounding": "up"})
    assert not is_simple({"type": "model-of-tomorrow"})
