"""A model's verdict and its words do not hang on whether it is asked about a decoded value or about the bytes."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypedDict

from relay.config.code import CodeFolder
from relay.config.payload import ModelValidator
from relay.config.simple import is_simple
from relay.decode import decode_json
from relay.errors import Rejected
from tests.support.bodies import EVERYTHING, Bodies

ROUTES = Path(__file__).parents[2] / "routes"
T = TypeVar("T")


class Item(BaseModel):
    id: str
    count: int = 1
    price: float | None = None


class Order(BaseModel):
    item: Item
    others: list[Item] = []
    by_name: dict[str, Item] = {}
    at: datetime | None = None
    paid: bool = False


class Containers(BaseModel):
    texts: set[str] = set()
    numbers: frozenset[float] = frozenset()
    several: tuple[int, ...] = ()
    pair: tuple[str, float] | None = None
    nested: list[list[int]] = []
    objects: list[dict[str, bool]] = []


class Keys(BaseModel):
    ints: dict[int, str] = {}
    floats: dict[float, str] = {}
    bools: dict[bool, str] = {}
    dates: dict[date, str] = {}
    ids: dict[UUID, str] = {}


class Defaults(BaseModel):
    made: list[int] = Field(default_factory=list)
    given: dict[str, int] = {"a": 1}
    nothing: Item | None = None


class Swapped(BaseModel):
    a: int = Field(0, alias="b")
    b: str = Field("", alias="a")
    c: float = Field(0, alias="C")


class ByName(Swapped):
    model_config = ConfigDict(validate_by_name=True)


class Forbidding(ByName):
    model_config = ConfigDict(extra="forbid")


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, str_to_lower=True, str_max_length=5, frozen=True)
    text: str


class Tree(BaseModel):
    n: int = 0
    children: list["Tree"] = []
    named: dict[str, "Tree"] = {}


class Page(BaseModel, Generic[T]):
    items: list[T]


class Movie(TypedDict, total=False):
    title: str
    cast: list[Item]


class Closed(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    title: str
    year: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "wolf"]
    name: str


def kind(body: Any) -> str:
    return "item" if isinstance(body, dict) and "id" in body else "animal"


Animal = Annotated[Cat | Dog, Field(discriminator="kind")]
SCALARS: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "none": None,
    "date": date,
    "datetime": datetime,
    "aware": AwareDatetime,
    "time": time,
    "uuid": UUID,
    "literal": Literal["a", "1", "true"],
    "bounded-int": Annotated[int, Field(ge=-5, le=10**19, multiple_of=5)],
    "bounded-float": Annotated[float, Field(gt=0.1, multiple_of=0.1)],
    "finite-float": Annotated[float, Field(allow_inf_nan=False)],
    "bounded-date": Annotated[date, Field(ge=date(2020, 1, 1))],
    "constrained-text": Annotated[
        str, StringConstraints(min_length=1, max_length=5, strip_whitespace=True, to_lower=True, pattern="^[a-z0-9]")
    ],
}  # fmt: skip
MODELS: Mapping[str, Any] = {
    "nested": Order,
    "containers": Containers,
    "keys": Keys,
    "defaults": Defaults,
    "aliases": Swapped,
    "aliases-or-names": ByName,
    "nothing-else": Forbidding,
    "stripped": Stripped,
    "recursive": Tree,
    "generic": Page[Item],
    "root-model": RootModel[list[Item] | None],
    "typed-dict": Movie,
    "closed-typed-dict": Closed,
    "by-field": list[Animal],
    "by-function": list[
        Annotated[
            Annotated[Item, Tag("item")] | Annotated[Cat | Dog, Field(discriminator="kind"), Tag("animal")],
            Discriminator(kind),
        ]
    ],
    "github": CodeFolder(ROUTES / "github").get("payload.py:GitHubEvent"),
    "stripe": CodeFolder(ROUTES / "stripe").get("payload.py:StripeEvent"),
    "alertmanager": CodeFolder(ROUTES / "alertmanager").get("payload.py:AlertGroup"),
}
TYPES = {**SCALARS, **MODELS}
ADAPTERS = {name: TypeAdapter(annotation) for name, annotation in TYPES.items()}
VALIDATORS = {name: ModelValidator(annotation, name, 60) for name, annotation in TYPES.items()}
NEAREST = {name: Bodies(odd=False).of(adapter.core_schema) for name, adapter in ADAPTERS.items()}
NEARLY = {name: Bodies(odd=True).of(adapter.core_schema) for name, adapter in ADAPTERS.items()}


def same(one: Any, other: Any) -> bool:
    """Compare types as well, the order of keys and fields, which of them were given, and zeros by their sign."""
    if type(one) is not type(other):
        return False
    match one:
        case BaseModel():
            return (
                same(one.__dict__, other.__dict__)
                and one.model_fields_set == other.model_fields_set
                and one.model_extra == other.model_extra
            )
        case dict():
            return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
        case list() | tuple():
            return len(one) == len(other) and all(map(same, one, other))
        case set() | frozenset():
            return sorted(map(repr, one)) == sorted(
                map(repr, other)
            )  # NaN's place in a set hangs on its address
        case float() | datetime() | time():
            return repr(one) == repr(other)
    return bool(one == other)


def parts(value: Any) -> Iterator[int]:
    """Yield the identities of all that could be changed inside a value."""
    match value:
        case BaseModel():
            yield from parts(value.__dict__)
        case dict():
            yield id(value)
            for item in value.values():
                yield from parts(item)
        case list() | tuple():
            yield id(value)
            for item in value:
                yield from parts(item)


def outcome(name: str, body: bytes, value: Any) -> Any:
    """Return what a validator says, or the places and words with which it refuses."""
    try:
        return VALIDATORS[name].validate(body, value)
    except Rejected as rejected:
        return rejected.where if rejected.detail == "the body is not what this route takes" else rejected


def by_bytes(name: str, body: bytes) -> Any:
    """Return what pydantic makes of the bytes, or the places and words with which it refuses."""
    try:
        return ADAPTERS[name].validate_json(body)
    except ValidationError as error:
        return tuple((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()[:20])


def is_taken_decoded(name: str, text: str) -> bool:
    try:
        ADAPTERS[name].validate_python(decode_json(text.encode()))
    except ValidationError:
        return False
    return True


def check_both_ways(name: str, body: bytes) -> None:
    value = decode_json(body)
    made = outcome(name, body, value)
    assert same(made, by_bytes(name, body))
    assert same(value, decode_json(body))
    assert not set(parts(made)) & set(parts(value))


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_is_compared_here_is_simple(name: str) -> None:
    """The tests below compare two ways, not one with itself."""
    assert is_simple(ADAPTERS[name].core_schema)


@pytest.mark.parametrize("name", SCALARS)
def test_every_odd_scalar_is_taken_or_refused_as_its_bytes_are(name: str) -> None:
    """Numbers at the edges, texts that spell numbers, true for one: same value, same type, same words."""
    for text in EVERYTHING:
        check_both_ways(name, text.encode())
    assert any(is_taken_decoded(name, text) for text in EVERYTHING)


@pytest.mark.parametrize("name", ADAPTERS)
@given(data=st.data())
def test_any_body_is_taken_or_refused_as_its_bytes_are(name: str, data: st.DataObject) -> None:
    """Same values and types, in the same order; nothing of the decoded value is changed, or shared with the payload."""
    check_both_ways(name, data.draw(NEAREST[name] | NEARLY[name]).encode())


@pytest.mark.parametrize("name", ADAPTERS)
def test_bodies_above_are_taken_and_refused(name: str) -> None:
    """What is drawn there shows both verdicts, for every model."""
    find(NEAREST[name], lambda text: is_taken_decoded(name, text))
    find(NEARLY[name], lambda text: not is_taken_decoded(name, text))


@pytest.mark.parametrize("levels", [1, 60, 66, 90, 99])
def test_deep_body_is_taken_as_its_bytes_are(levels: int) -> None:
    """As deep as decoding lets it be; pydantic's own guard against endless recursion makes no difference."""
    check_both_ways("recursive", b'{"children": [' * levels + b"{}" + b"]}" * levels)
    check_both_ways("github", b'{"deep": ' + b"[" * levels * 2 + b"]" * levels * 2 + b"}")


class Parcel(BaseModel):
    n: int = 0
    items: list[int] = []
    names: dict[str, int] = {}


class Pause(BaseModel):
    length: timedelta


class Open(BaseModel):
    data: dict[str, Any]


def test_simple_model_is_asked_about_the_decoded_value() -> None:
    """The bytes are not read again."""
    assert ModelValidator(Parcel, "Parcel", 1).validate(b"not read", {"n": 1}) == Parcel(n=1)


def test_other_model_is_asked_about_the_bytes() -> None:
    """A decoded true would pass for a second; JSON's is refused, as ever."""
    body = b'{"length": true}'
    assert Pause.model_validate(decode_json(body)).length == timedelta(seconds=1)
    with pytest.raises(Rejected):
        ModelValidator(Pause, "Pause", 1).validate(body, decode_json(body))


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"[]", ("", "Input should be an object")),
        (b'{"items": {}}', ("items", "Input should be a valid array")),
        (b'{"names": []}', ("names", "Input should be an object")),
        (b'{"items": [1, "x"]}', ("items.1", "Input should be a valid integer, unable to parse string as an integer")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_words_of_json(body: bytes, where: tuple[str, str]) -> None:
    """A sender is told of objects and arrays, never of dictionaries and lists."""
    with pytest.raises(Rejected) as caught:
        ModelValidator(Parcel, "Parcel", 1).validate(body, decode_json(body))
    assert caught.value.where == (where,)


def test_payload_of_a_model_shares_nothing_with_the_decoded_value() -> None:
    """A transform may change its payload; expressions go on seeing the body that came."""
    body = b'{"data": {"a": {"b": 1}}}'
    value = decode_json(body)
    found = ModelValidator(Open, "Open", 1).validate(body, value)
    found.data["a"]["b"] = 2
    assert value == decode_json(body)


def takes(body: Any) -> str:
    return str(body.pop("kind"))


def loops(body: Any) -> str:
    while body:
        pass
    return "cat"


def raises(body: Any) -> str:
    return str(body["sort"])


def tagged(function: Any) -> ModelValidator:
    union = Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(function)]
    return ModelValidator(union, "Animal", 0.05)


def test_discriminator_that_takes_its_key_away_takes_it_from_a_copy() -> None:
    """Expressions see the body whole, whatever a route's own function does."""
    body = b'{"kind": "cat"}'
    value = decode_json(body)
    assert tagged(takes).validate(body, value) == Cat(kind="cat")
    assert value == {"kind": "cat"}


@pytest.mark.parametrize(("function", "error"), [(loops, "TimeLimitExceeded"), (raises, "KeyError")])
def test_discriminator_that_loops_or_raises_refuses_the_body(function: Any, error: str) -> None:
    """A simple model's own function has the route's time, and what it raises ends this request alone."""
    body = b'{"kind": "cat"}'
    with pytest.raises(Rejected) as caught:
        tagged(function).validate(body, decode_json(body))
    assert caught.value.where == (("", error),)
