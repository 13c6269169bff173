"""Payload checks against a pydantic model, or any type that pydantic can adapt."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from relay.code.deadline import limited
from relay.code.folder import CodeInvalid
from relay.code.invalid import MOST_FAULTS, Fault, invalid, unchecked


class ModelValidator:
    """Checks bodies against a pydantic type."""

    def __init__(self, annotation: Any, name: str, seconds: float) -> None:
        """Take the type and its name; a check may take `seconds`.

        Raises CodeInvalid if pydantic can't check against the type.
        """
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            complete = (
                self._adapter.pydantic_complete or self._adapter.rebuild(raise_errors=False) is True
            )
        except (PydanticSchemaGenerationError, PydanticUserError):
            complete = False
        self._seconds = seconds
        if not complete:
            raise CodeInvalid(
                f"{name} is not a pydantic model", "derive it from pydantic.BaseModel"
            )
        # The adapter's own method costs a tenth more.
        self._validate = self._adapter.validator.validate_json

    def validate(self, raw: bytes, value: Any) -> Any:
        """Return the model's instance; raise Rejected (invalid) with the places that are wrong.

        It is made from the bytes and shares nothing with `value`, which expressions see.
        """
        try:
            return limited(self._seconds, self._validate, raw)
        except ValidationError as error:
            raise invalid(_faults(error)) from None
        # All: a model's own validators may raise anything, and TimeLimitExceeded is in it.
        except BaseException as error:
            raise unchecked(type(error).__name__) from error


def _faults(error: ValidationError) -> list[Fault]:
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return [(detail["loc"], detail["msg"]) for detail in details[:MOST_FAULTS]]
