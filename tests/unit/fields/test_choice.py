"""A choice of models behaves as pydantic's own tagged union, without having them all imported."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from relay.fields.choice import Choice
from relay.fields.model import Model


class Base(Model):
    kind: str


class Apple(Base):
    kind: Literal["apple"]
    size: int = Field(default=1, ge=1)


class Pear(Base):
    kind: Literal["pear"]
    inner: Apple | None = None


MODELS: dict[str, type[BaseModel]] = {"apple": Apple, "pear": Pear}


class Chosen(Model):
    fruit: Annotated[Base, Choice("kind", lambda: tuple(MODELS), MODELS.__getitem__)]


class United(Model):
    fruit: Annotated[Apple | Pear, Field(discriminator="kind")]


def errors(model: type[BaseModel], value: Any) -> list[tuple[Any, ...]]:
    """Return type, place without tags, message and context of each error."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"fruit": value})
    return [
        (
            error["type"],
            tuple(step for step in error["loc"] if step not in MODELS),
            error["msg"],
            error.get("ctx"),
        )
        for error in caught.value.errors()
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "apple",
        [],
        {},
        {"kind": "aple"},
        {"kind": None},
        {"kind": 5},
        {"kind": ["apple"]},
        {"kind": "apple", "size": 0},
        {"kind": "apple", "size": "x", "colour": "red"},
        {"kind": "pear", "inner": {"kind": "pear", "size": []}},
    ],
    ids=repr,
)
def test_errors_are_those_of_a_tagged_union(value: Any) -> None:
    """The same errors, of which `relay check` makes its lines, at the same places."""
    assert errors(Chosen, value) == errors(United, value)


def test_section_has_its_own_model() -> None:
    """A section is the model that its key names; a model that is given is taken as it is."""
    apple = Chosen.model_validate({"fruit": {"kind": "apple", "size": 2}}).fruit
    assert apple == Apple(kind="apple", size=2)
    assert Chosen.model_validate({"fruit": apple}).fruit is apple


def test_schema_is_that_of_a_tagged_union() -> None:
    """`relay schema` lists all models, so that editors complete each."""
    chosen, united = (TypeAdapter(model).json_schema() for model in (Chosen, United))
    assert {**chosen, "title": ""} == {**united, "title": ""}


def test_models_are_called_for_when_they_are_named() -> None:
    """One section asks for one model."""
    asked: list[str] = []

    def model(name: str) -> type[BaseModel]:
        asked.append(name)
        return MODELS[name]

    adapter = TypeAdapter[Any](Annotated[Base, Choice("kind", lambda: tuple(MODELS), model)])
    assert asked == []
    adapter.validate_python({"kind": "pear"})
    assert asked == ["pear"]
