"""Payload checks against a JSON Schema (draft 2020-12).

Imported by the first route that has one: a relay without any starts without the library.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from relay.code.deadline import TimeLimitExceeded, limited
from relay.code.folder import CodeInvalid
from relay.code.invalid import MOST_FAULTS, Fault, invalid
from relay.errors import Rejected, RequestReason

_MOST_TEXT = 200  # characters of a fault's text, which may hold a part of the body


class SchemaValidator:
    """Checks bodies against a JSON Schema."""

    def __init__(self, path: Path, seconds: float) -> None:
        """Take the schema's file; a check may take `seconds`.

        Raises CodeInvalid if the file is not a JSON Schema, or refers to anything outside of it.
        """
        try:
            schema = json.loads(path.read_bytes())
            Draft202012Validator.check_schema(schema)
        except OSError as error:
            raise CodeInvalid(
                f"{path.name} can't be read: {error.strerror}", "add it beside route.yaml"
            ) from None
        except ValueError as error:
            raise CodeInvalid(f"{path.name} is not JSON: {error}", f"mend {path.name}") from None
        except SchemaError as error:
            raise CodeInvalid(
                f"{path.name} is not a JSON Schema: {error.json_path}: {error.message}",
                f"mend {path.name}",
            ) from None
        registry = _closed(schema, path.name)
        self._validator = Draft202012Validator(schema, registry=registry)
        self._seconds = seconds

    def validate(self, raw: bytes, value: Any) -> Any:
        """Return the value; raise Rejected (invalid) with the places that are wrong."""
        try:
            faults = limited(self._seconds, self._first_faults, value)
        # Such as a `pattern` that backtracks, or `uniqueItems` of many.
        except (TimeLimitExceeded, RecursionError):
            raise Rejected(RequestReason.INVALID, "the body can't be checked in time") from None
        if faults:
            raise invalid(faults)
        return value

    def _first_faults(self, value: Any) -> list[Fault]:
        errors = islice(self._validator.iter_errors(value), MOST_FAULTS)
        return [(error.absolute_path, error.message[:_MOST_TEXT]) for error in errors]


def _closed(schema: Any, name: str) -> Registry[Any]:
    """Return a registry of the schema alone; raise CodeInvalid if it refers to anything else."""
    resource = DRAFT202012.create_resource(schema)
    registry: Registry[Any] = Registry().with_resource(resource.id() or "", resource)
    resolver = registry.resolver_with_root(resource)
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise CodeInvalid(
                f"{name} refers to {reference}, which is not in it", f"mend {name}"
            ) from None
    return registry


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
