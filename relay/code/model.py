"""Payload checks against a pydantic model, or any type that pydantic can adapt."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from relay.code.deadline import limited
from relay.code.folder import CodeInvalid
from relay.errors import Rejected, RequestReason

MOST_PLACES = 20  # places that an answer lists


class ModelValidator:
    """Checks bodies against a pydantic type."""

    def __init__(self, annotation: Any, name: str, seconds: float) -> None:
        """Raise CodeInvalid if pydantic can't check against `annotation`; a check may take `seconds`."""
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

    def validate(self, body: bytes, value: Any) -> Any:
        """Return the model's instance, made from the bytes: `value` stays what expressions see."""
        try:
            return limited(self._seconds, self._adapter.validate_json, body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)
            where = [
                (".".join(map(str, fault["loc"])), fault["msg"]) for fault in faults[:MOST_PLACES]
            ]
            raise Rejected(
                RequestReason.INVALID, "the body is not what this route takes", where=tuple(where)
            ) from None
        except (
            BaseException
        ) as error:  # a model's own validators may do anything, TimeLimitExceeded is one too
            raise Rejected(
                RequestReason.INVALID,
                "the body can't be checked",
                where=(("", type(error).__name__),),
            ) from error
