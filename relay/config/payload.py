"""Payload checks against a pydantic model, or any type that pydantic can adapt."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from relay.config.code import CodeInvalid
from relay.config.simple import is_simple
from relay.deadline import limited
from relay.errors import Refusal, Rejected

MOST_PLACES = 20  # places that an answer lists


class ModelValidator:
    """Checks bodies against a pydantic type."""

    def __init__(self, annotation: Any, name: str, seconds: float) -> None:
        """Raise CodeInvalid if pydantic can't check against `annotation`; a check may take `seconds`."""
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            complete = self._adapter.pydantic_complete or self._adapter.rebuild(raise_errors=False) is True
        except (PydanticSchemaGenerationError, PydanticUserError):
            complete = False
        self._seconds = seconds
        if not complete:
            raise CodeInvalid(f"{name} is not a pydantic model", "derive it from pydantic.BaseModel")
        validator = self._adapter.validator
        self._of_body = validator.validate_json
        self._of_value = validator.validate_python if is_simple(self._adapter.core_schema) else None

    def validate(self, body: bytes, value: Any) -> Any:
        """Return the model's instance; `value` is what `body` holds, and is not changed."""
        try:
            return limited(self._seconds, self._check, body, value)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)
            where = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in faults[:MOST_PLACES]]
            raise Rejected(
                Refusal.INVALID, "the body is not what this route takes", where=tuple(where)
            ) from None
        except (
            BaseException
        ) as error:  # a model's own validators may do anything, TimeLimitExceeded is one too
            raise Rejected(
                Refusal.INVALID, "the body can't be checked", where=(("", type(error).__name__),)
            ) from error

    def _check(self, body: bytes, value: Any) -> Any:
        if self._of_value is None:
            return self._of_body(body)
        try:
            return self._of_value(value)
        except ValidationError:  # what is wrong is told in the words of JSON
            return self._of_body(body)
