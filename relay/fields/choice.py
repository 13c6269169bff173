"""A section with several models, of which one of its own keys names the one that it has.

It behaves as a tagged union of pydantic, errors and JSON Schema alike (test_choice.py), but a model
is imported when a file names it: of forty schemes, a relay with two routes builds two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema


@dataclass(frozen=True)
class Choice:
    """Annotates the models' common base: `key` names one, and `model` returns it."""

    key: str
    names: Callable[[], Sequence[str]]
    model: Callable[[str], type[BaseModel]]

    def models(self) -> Mapping[str, type[BaseModel]]:
        """Return every model by its name."""
        return {name: self.model(name) for name in self.names()}

    def model_of(self, value: Any) -> type[BaseModel] | None:
        """Return the model of a section, None if it names none that there is."""
        name = value.get(self.key) if isinstance(value, Mapping) else None
        return self.model(name) if isinstance(name, str) and name in self.names() else None

    def validate(self, value: Any) -> Any:
        """Return the section as its own model."""
        if isinstance(value, BaseModel):
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("model_attributes_type")
        if self.key not in value:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": f"'{self.key}'"})
        model = self.model_of(value)
        if model is None:
            expected = ", ".join(f"'{name}'" for name in self.names())
            context = {"discriminator": f"'{self.key}'", "tag": str(value[self.key])}
            raise PydanticKnownError("union_tag_invalid", {**context, "expected_tags": expected})
        return model.model_validate(value)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        choices = {name: TypeAdapter(model).core_schema for name, model in self.models().items()}
        return handler(core_schema.tagged_union_schema(choices, self.key))
