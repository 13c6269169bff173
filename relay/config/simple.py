"""Whether a type is so simple that pydantic makes of a decoded value what it makes of the bytes.

From bytes it decodes a second time, and for a discriminator that is a function it builds every value once more. But
its two ways differ, in what is strict, in unions, in bytes and numbers, in what validators of the user's own are told.
So only what is listed here is simple. `Any` and `extra="allow"` are not: the model would hold parts of the very value
that expressions see, and a transform may change what it gets.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from relay.config.untouched import leaves_untouched

_ANYWHERE = frozenset({"type", "ref", "metadata", "serialization", "strict"})
_BOUNDS = frozenset({"gt", "ge", "lt", "le"})
_LENGTHS = frozenset({"min_length", "max_length", "fail_fast"})
_TIMES = _BOUNDS | {"tz_constraint", "microseconds_precision"}
_FIELDS = frozenset({"fields", "computed_fields", "extra_behavior", "cls", "config"})
_FIELD = frozenset(
    {
        "schema", "validation_alias", "frozen",
        "serialization_alias", "serialization_exclude", "serialization_exclude_if",
    }
)  # fmt: skip
_ITEMS = frozenset({"items_schema", "keys_schema", "values_schema"})

# What may stand in a schema of each type. Not here, though they seem alike: timedelta takes true for a second, from a
# decoded value alone; an enum's class is asked for what is no member, but only about a decoded value.
_TYPES: Mapping[str, frozenset[str]] = {
    "definitions": frozenset({"definitions", "schema"}),
    "definition-ref": frozenset({"schema_ref"}),
    "model": frozenset(
        {
            "cls", "schema", "config", "custom_init", "root_model", "generic_origin", "frozen", "extra_behavior",
            "revalidate_instances",
        }
    ),
    "model-fields": _FIELDS | {"model_name"},
    "model-field": _FIELD,
    "typed-dict": _FIELDS | {"cls_name", "total"},
    "typed-dict-field": _FIELD | {"required"},
    "default": frozenset({"schema", "default", "default_factory", "default_factory_takes_data"}),
    "nullable": frozenset({"schema"}),
    # pydantic always asks for attributes here, but never JSON's own types.
    "tagged-union": frozenset({"choices", "discriminator", "from_attributes"}),
    "list": _LENGTHS | {"items_schema"},
    "set": _LENGTHS | {"items_schema"},
    "frozenset": _LENGTHS | {"items_schema"},
    "tuple": _LENGTHS | {"items_schema", "variadic_item_index"},
    "dict": _LENGTHS | {"keys_schema", "values_schema"},
    "none": frozenset(),
    "bool": frozenset(),
    "int": _BOUNDS | {"multiple_of"},
    "float": _BOUNDS | {"multiple_of", "allow_inf_nan"},
    "str": _LENGTHS | {"pattern", "regex_engine", "strip_whitespace", "to_lower", "to_upper", "ascii_only"},
    "literal": frozenset({"expected"}),
    "date": _BOUNDS,
    "time": _TIMES,
    "datetime": _TIMES,
    "uuid": frozenset({"version"}),
}  # fmt: skip
_CONFIG = frozenset(
    {
        "title", "extra_fields_behavior", "validate_by_alias", "validate_by_name", "loc_by_alias",
        "revalidate_instances", "hide_input_in_errors", "validation_error_cause", "cache_strings", "allow_inf_nan",
        "str_max_length", "str_min_length", "str_strip_whitespace", "str_to_lower", "str_to_upper", "regex_engine",
        "ser_json_timedelta", "ser_json_temporal", "ser_json_bytes", "ser_json_inf_nan", "serialize_by_alias",
    }
)  # fmt: skip


def is_simple(schema: Mapping[str, Any]) -> bool:
    """Tell whether a core schema of pydantic is simple, it and all that is in it."""
    known = _TYPES.get(schema["type"])
    return (
        known is not None
        and schema.keys() <= known | _ANYWHERE
        and known & _ITEMS <= schema.keys()  # what says nothing of its items takes any
        and all(key not in _IF or _IF[key](value) for key, value in schema.items())
    )


def _are_simple(schemas: Iterable[Mapping[str, Any]]) -> bool:
    return all(map(is_simple, schemas))


def _are_texts(values: Iterable[Any]) -> bool:
    """Tell whether all are texts: numbers and true are equal to others in Python that are not in JSON."""
    return all(type(value) is str for value in values)


def _is_simple_config(config: Mapping[str, Any]) -> bool:
    return config.keys() <= _CONFIG and config.get("extra_fields_behavior") != "allow"


# What must hold of what stands under a key, whatever the type.
_IF: Mapping[str, Callable[[Any], bool]] = {
    "schema": is_simple,
    "keys_schema": is_simple,
    "values_schema": is_simple,
    "items_schema": lambda items: _are_simple(items) if isinstance(items, list) else is_simple(items),
    "definitions": _are_simple,
    "fields": lambda fields: _are_simple(fields.values()),
    "choices": lambda choices: _are_texts(choices) and _are_simple(choices.values()),
    "discriminator": lambda given: isinstance(given, str) or leaves_untouched(given),
    "validation_alias": lambda alias: isinstance(alias, str),  # paths are followed in two ways
    "expected": _are_texts,
    "config": _is_simple_config,
    "custom_init": lambda given: not given,
    "strict": lambda given: not given,
    "default_factory_takes_data": lambda given: not given,
    "extra_behavior": lambda behavior: behavior != "allow",
}
