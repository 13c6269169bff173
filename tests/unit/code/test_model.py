"""A route's model: bodies that it takes and refuses, and its own copy of them."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator, Tag

from relay.code.model import ModelValidator
from relay.errors import Rejected
from relay.routing.body import decode_json


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "wolf"]
    name: str


class Parcel(BaseModel):
    n: int = 0
    items: list[int] = []
    names: dict[str, int] = {}


class Open(BaseModel):
    data: dict[str, Any]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"[]", ("", "Input should be an object")),
        (b'{"items": {}}', ("items", "Input should be a valid array")),
        (b'{"names": []}', ("names", "Input should be an object")),
        (
            b'{"items": [1, "x"]}',
            (
                "items.1",
                "Input should be a valid integer, unable to parse string as an integer",
            ),
        ),
    ],
)
def test_faults_are_told_in_the_words_of_json(body: bytes, where: tuple[str, str]) -> None:
    """A sender is told of objects and arrays, never of dictionaries and lists."""
    with pytest.raises(Rejected) as caught:
        ModelValidator(Parcel, "Parcel", 1).validate(body, decode_json(body))
    assert caught.value.where == (where,)


def test_payload_of_a_model_shares_nothing_with_the_decoded_value() -> None:
    """A transform may change its payload; expressions go on seeing the body that came."""
    body = b'{"data": {"a": {"b": 1}}}'
    value = decode_json(body)
    payload = ModelValidator(Open, "Open", 1).validate(body, value)
    payload.data["a"]["b"] = 2
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
    union = Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(function)
    ]
    return ModelValidator(union, "Animal", 0.05)


def test_discriminator_that_takes_its_key_away_takes_it_from_a_copy() -> None:
    """Expressions see the body whole, whatever a route's own function does."""
    body = b'{"kind": "cat"}'
    value = decode_json(body)
    assert tagged(takes).validate(body, value) == Cat(kind="cat")
    assert value == {"kind": "cat"}


@pytest.mark.parametrize(
    ("function", "error"), [(loops, "TimeLimitExceeded"), (raises, "KeyError")]
)
def test_discriminator_that_loops_or_raises_refuses_the_body(function: Any, error: str) -> None:
    """A model's own function has the route's time, and its errors end this request alone."""
    body = b'{"kind": "cat"}'
    with pytest.raises(Rejected) as caught:
        tagged(function).validate(body, decode_json(body))
    assert caught.value.where == (("", error),)
