"""Bodies that are near to what a pydantic type takes, as JSON texts: drawn from the type's core schema."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

# In JSON's own spelling: how a number is spelled is what the two ways might read differently.
NUMBERS = [
    "0", "1", "-1", "-0", "-0.0", "0.0", "1.0", "1.5", "1e0", "1E5", "2.5e-1", "0.1", "0.30000000000000004", "1e22", "1e23",
    "8.41e21", "1e300", "-1e300", "1e-400", "5e-324", "2.2250738585072011e-308", "1.7976931348623157e308",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "9223372036854774784.0", "9223372036854775807.0", "-9223372036854775808.0", "18446744073709551615",
    "18446744073709551616", "100000000000000000000", "36893488147419103233", "1" + "0" * 400, "9" * 4300,
    "123456789012345678901234567890.5", "86399", "86400", "86399.5", "1700000000.123456789", "20000000000", "20000000001",
    "253402300799", "253402300800", "-62135596800", "1e10", "1e18", "1e19",
]  # fmt: skip
TEXTS = [
    "", "0", "1", "1.0", " 1 ", "01", "+1", "1_000", "-0", "1e5", "nan", "inf", "-Infinity", "true", "TRUE", "yes", "off",
    "t", "null", "a", "A", " a", "x\0y", "\U0001f600", "Việt", " \u0085a", "\u00a0", "\uff11\uff12", "9" * 4301, "1" * 25,
]  # fmt: skip
TIMES = [
    "2020-01-01", "2020-02-30", "2020-01-01T00:00:00", "2020-01-01T00:00:00Z", "2020-01-01 01:00Z", "1700000000",
    "2020-01-01T00:00:00.123456789+07:00", "2020-01-01T23:59:60Z", "1700000000.5", "12:30", "12:30:01.1234567Z", "24:00",
]  # fmt: skip
IDS = [
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}", "6ba7b8109dad11d180b400c04fd430c8",
]  # fmt: skip
CONTAINERS = [
    "[]", "{}", "[1]", "[[1, 2], [3]]", '["a", "a"]', '[1, "1", 1.0, true]', '{"a": 1}', '{"1": 1, "01": 2}', '{"": null}',
    '{"\\u0000": 1}',
]  # fmt: skip
EVERYTHING = ["null", "true", "false", *NUMBERS, *map(json.dumps, TEXTS + TIMES + IDS), *CONTAINERS]

ANY_TEXT = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TEXT = st.builds(json.dumps, ANY_TEXT, ensure_ascii=st.booleans())
NUMBER = (
    st.sampled_from(NUMBERS)
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
)
SCALAR = st.sampled_from(EVERYTHING) | NUMBER | TEXT


def array(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def members(found: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in found.items()) + "}"


ANYTHING = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3).map(array) | st.dictionaries(ANY_TEXT, inner, max_size=3).map(members)
    ),
    max_leaves=5,
)
NEAR = {
    "str": TEXT,
    "int": NUMBER | st.sampled_from(["true", '"1"', '" 1 "', '"1_000"', "2.0"]),
    "float": NUMBER | st.sampled_from(["true", '"1.5"', '"nan"', '"1e5"']),
    "bool": st.sampled_from(["true", "false", "0", "1.0", '"yes"', '"OFF"']),
    "none": st.just("null"),
    "date": st.sampled_from(TIMES).map(json.dumps) | st.dates().map(lambda day: f'"{day}"') | NUMBER,
    "datetime": st.sampled_from(TIMES).map(json.dumps) | st.datetimes().map(lambda at: f'"{at}"') | NUMBER,
    "time": st.sampled_from(TIMES).map(json.dumps) | st.times().map(lambda at: f'"{at}"') | NUMBER,
    "uuid": st.sampled_from(IDS).map(json.dumps) | st.uuids().map(lambda one: f'"{one}"'),
}


class Bodies:
    """Strategies of bodies that are near to what a schema takes; `odd` says that any part may be anything instead."""

    def __init__(self, *, odd: bool) -> None:
        self._odd = odd
        self._defined: dict[str, st.SearchStrategy[str]] = {}

    def of(self, schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
        if "ref" in schema:
            self._defined[schema["ref"]] = self._made(schema)
            return self._defined[schema["ref"]]
        return self._made(schema)

    def _made(self, schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
        near = self._near(schema)
        return st.one_of(near, near, near, ANYTHING) if self._odd else near

    def _near(self, schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
        match schema["type"]:
            case "definitions":
                for one in schema["definitions"]:
                    self.of(one)
                return self.of(schema["schema"])
            case "definition-ref":
                return st.deferred(lambda: self._defined[schema["schema_ref"]])
            case "nullable":
                return st.just("null") | self.of(schema["schema"])
            case "literal":
                return st.sampled_from(schema["expected"]).map(json.dumps)
            case "tagged-union":
                return st.one_of(*map(self.of, schema["choices"].values()))
            case "model-fields" | "typed-dict":
                return self._object(schema)
            case "model" | "default":
                return self.of(schema["schema"])
            case kind:
                return NEAR[kind] if kind in NEAR else self._container(schema)

    def _container(self, schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
        match schema["type"]:
            case "list" | "set" | "frozenset":
                return st.lists(self.of(schema["items_schema"]), max_size=3).map(array)
            case "tuple" if "variadic_item_index" in schema:
                return st.lists(self.of(schema["items_schema"][0]), max_size=3).map(array)
            case "tuple":
                return st.tuples(*map(self.of, schema["items_schema"])).map(list).map(array)
            case "dict":
                keys = self.of(schema["keys_schema"]).map(lambda key: str(json.loads(key, parse_int=str)))
                return st.dictionaries(keys | ANY_TEXT, self.of(schema["values_schema"]), max_size=3).map(
                    members
                )
            case kind:
                raise AssertionError(kind)

    def _object(self, schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
        needed: dict[str, st.SearchStrategy[str]] = {}
        others: dict[str, st.SearchStrategy[str]] = {}
        for name, field in schema["fields"].items():
            takes = self.of(field["schema"])
            alias = field.get("validation_alias", name)
            optional = field["schema"]["type"] == "default" or not field.get("required", True)
            (others if optional or self._odd else needed)[alias] = takes
            if alias != name:
                others.setdefault(name, takes)
        if self._odd:
            others["unheard-of"] = ANYTHING
        others = {name: takes for name, takes in others.items() if name not in needed}
        return (
            st.fixed_dictionaries(needed, optional=others)
            .flatmap(lambda found: st.permutations(list(found.items())))
            .map(dict)
            .map(members)
        )
