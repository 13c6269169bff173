"""The JSON Schemas of the catalogue, made from its models: one a type, and one for any event."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter

from .envelope import Happened
from .payload import AnyEvent, CooperationEvent
from .places import DEPARTMENTS, PLACES, PROGRAMMES, Name

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
# The relay checks rules that a schema can't express all the same.
_BEYOND = (
    "The relay also checks that ids begin with the sender's own code, "
    "and what is said in the catalogue."
)
KINDS: Mapping[str, type[Happened]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(AnyEvent)
}


def of_type(kind: str) -> dict[str, Any]:
    """Return the schema of one type of event."""
    model = KINDS[kind]
    schema = {**model.model_json_schema(), "title": model.name.en, "x-title-vi": model.name.vi}
    return _finished({**schema, "description": f"{model.when.en} {_BEYOND}", "x-vi": model.when.vi})


def of_any() -> dict[str, Any]:
    """Return the schema of any event."""
    schema = TypeAdapter(CooperationEvent).json_schema()
    return _finished(
        {**schema, "title": "Event of the cooperation programmes", "description": _BEYOND}
    )


def _finished(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the names of all codes, and that each programme knows its places."""
    defs = {name: dict(found) for name, found in schema["$defs"].items()}
    for name, names in (("Place", PLACES), ("Department", DEPARTMENTS)):
        if name in defs:
            defs[name]["x-names"] = {str(code): _named(told) for code, told in names.items()}
    defs["Programme"]["x-names"] = {
        str(code): _named(agreed.name) for code, agreed in PROGRAMMES.items()
    }
    for name, found in defs.items():
        # The docstrings of the models are for who reads the code.
        if "description" in found and name in {"Place", "Department", "Programme"}:
            del found["description"]
    known = [
        {
            "if": {"properties": {"programme": {"const": str(code)}}, "required": ["programme"]},
            "then": {
                "properties": {
                    "place": {"enum": [str(place) for place in agreed.places]},
                    "partners": {"items": {"enum": [str(place) for place in agreed.places]}},
                }
            },
        }
        for code, agreed in PROGRAMMES.items()
    ]
    return {"$schema": _DRAFT, **schema, "$defs": defs, "allOf": known}


def _named(name: Name) -> dict[str, str]:
    return {"vi": name.vi, "en": name.en}
