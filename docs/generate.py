"""The references under docs/reference/, made from the files' models and the registry of metrics.

`make docs` writes them; tests/docs/test_reference.py fails while they are not what is made.
"""

import json
import math
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Le, Lt
from prometheus_client.metrics_core import Metric
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from relay.config import RelayFile, RouteFile, SecretsMode, load
from relay.fields import units
from relay.fields.choice import Choice
from relay.metrics.series import Metrics
from relay.metrics.snapshot import Snapshot, TargetState

REPOSITORY = Path(__file__).parent.parent
FOLDER = REPOSITORY / "docs" / "reference"
_MADE = "<!-- made by `make docs`: change the models or the registry, not this page -->"
_ABOUT_RELAY = """\
How the relay runs, explained in [configuration](../configuration.md) and [targets](../targets.md).
Durations are written `250ms`, `5s`, `10m`, `12h`, `7d`, sizes `64KiB`, `1MiB`, rates `50/s`. A
relative path is relative to the file that it stands in."""
_ABOUT_ROUTE = """\
What is relayed, explained in [routes](../routes.md) and [verification](../verification.md). What is
called an expression is [CEL](../expressions.md). Durations are written `250ms`, `5s`, `10m`, `12h`,
`7d`, sizes `64KiB`, `1MiB`, rates `50/s`."""
_TIMES = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))
_SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))
_PLAIN: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
}


class Part(NamedTuple):
    """A section that may stand in a file: its key path, and its model."""

    path: str
    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Kind:
    """What may stand under a key: in words, as sections; and how its default is written."""

    words: str
    parts: tuple[Part, ...] = ()
    write: Callable[[Any], str] = str


def _duration(seconds: float) -> str:
    """Return seconds as a file says them, in the largest unit of which they are a whole number."""
    return "forever" if math.isinf(seconds) else _in_units(seconds, _TIMES)


def _size(size: float) -> str:
    """Return bytes as a file says them."""
    return _in_units(size, _SIZES)


def _number(value: float) -> str:
    return f"{value:g}"


def _in_units(value: float, units_: Sequence[tuple[str, float]]) -> str:
    unit, factor = next(one for one in units_ if value >= one[1] and value % one[1] == 0)
    return f"{value / factor:g}{unit}"


# By the function that reads what stands in the file.
_READ: dict[Any, Kind] = {
    units.parse_duration: Kind("duration", write=_duration),
    units.parse_retention: Kind("duration or `forever`", write=_duration),
    units.parse_size: Kind("size", write=_size),
    units.parse_rate: Kind("rate"),
    units.parse_range: Kind("address range"),
}


def kind_of(hint: Any, metadata: Sequence[Any], path: str) -> Kind:
    """Return what the type of a field, whose key path is `path`, means to the reader of a file.

    Raises KeyError for a type that has no words yet.
    """
    for one in metadata:
        if isinstance(one, BeforeValidator) and one.func in _READ:
            return _READ[one.func]
        if isinstance(one, Choice):
            return Kind("section", tuple(Part(path, model) for model in one.models().values()))
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return kind_of(arguments[0], [*arguments[1:], *metadata], path)
    if origin is Literal:
        return Kind(_either([f"`{value}`" for value in arguments]))
    if origin in {Union, types.UnionType}:
        return _any_of([kind_of(one, metadata, path) for one in arguments if one is not type(None)])
    if origin is list:
        item = kind_of(arguments[0], (), f"{path}[]")
        return Kind(f"list of {_many(item.words)}", item.parts)
    if origin is dict:
        item = kind_of(arguments[1], (), f"{path}.NAME")
        return Kind(f"{_many(item.words)} by name", item.parts)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return Kind("section", (Part(path, hint),))
    return Kind(_PLAIN[hint] + _bounds(metadata), write=_number if hint is float else str)


def _any_of(kinds: Sequence[Kind]) -> Kind:
    words = list(dict.fromkeys(kind.words for kind in kinds))
    parts = tuple(part for kind in kinds for part in kind.parts)
    return Kind(_either(words), parts, kinds[0].write)


def _either(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    comma = "," if len(words) > 2 or any(" " in word for word in words) else ""
    return f"{', '.join(words[:-1])}{comma} or {words[-1]}"


def _many(word: str) -> str:
    return word if word == "text" or "`" in word else f"{word}s"


def _bounds(metadata: Sequence[Any]) -> str:
    """Return the range that a number must lie in."""
    bounds = [f"{one.ge} or more" for one in metadata if isinstance(one, Ge)]
    bounds += [f"at most {one.le}" for one in metadata if isinstance(one, Le)]
    bounds += [f"under {one.lt}" for one in metadata if isinstance(one, Lt)]
    return "".join(f", {bound}" for bound in bounds)


def sections(model: type[BaseModel]) -> list[Part]:
    """Return a file's model with all sections that can stand in it, in the order of their keys."""
    return list(dict.fromkeys(_sections(Part("", model))))


def _sections(part: Part) -> Iterator[Part]:
    yield part
    for key, info in _fields(part.model):
        path = f"{part.path}.{key}" if part.path else key
        for inner in kind_of(info.annotation, info.metadata, path).parts:
            yield from _sections(inner)


def undescribed(model: type[BaseModel]) -> set[str]:
    """Return the keys, as MODEL.KEY, of a file and all its sections that have no description."""
    return {
        f"{part.model.__name__}.{key}"
        for part in sections(model)
        for key, info in _fields(part.model)
        if not info.description
    }


def file_page(name: str, about: str, model: type[BaseModel]) -> str:
    """Return the reference of one kind of file, a table a section."""
    parts = sections(model)
    lines = [f"# {name}", "", _MADE, "", about]
    for part in parts:
        if part.path:
            about = (part.model.__doc__ or "").partition("\n")[0]
            lines += ["", f"## {_title(part, parts)}", "", about]
        lines.append("")
        lines += ["| key | takes | default | what it is |", "| --- | --- | --- | --- |"]
        for key, info in _fields(part.model):
            kind = kind_of(info.annotation, info.metadata, key)
            lines.append(_row(f"`{key}`", kind.words, _default(info, kind), info.description or ""))
    return "\n".join(lines) + "\n"


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, info


def _title(part: Part, parts: Sequence[Part]) -> str:
    """Name a section by its path, and where several may stand there, by what tells them apart."""
    if sum(one.path == part.path for one in parts) == 1:
        return f"`{part.path}`"
    key, info = next(_fields(part.model))
    value = f": {get_args(info.annotation)[0]}" if get_origin(info.annotation) is Literal else ""
    return f"`{part.path}` with `{key}{value}`"


def _default(info: FieldInfo, kind: Kind) -> str:
    if info.is_required():
        return "needed"
    value = info.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel | dict | list):
        return ""
    if value == "" or isinstance(value, bool):
        return f"`{json.dumps(value)}`"
    return f"`{kind.write(value)}`"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def metrics_page() -> str:
    """Return the reference of the relay's own series, with the values of the closed labels."""
    lines = [
        "# Metrics of the relay's own", "", _MADE, "",
        "A histogram has `_bucket`, `_sum` and `_count`. `route` and `target` are names that the",
        "configuration gives. `route` is empty for requests that reached none, `target` for a",
        "recipient list that named none.", "",
        "| series | type | labels | what it is |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    families = sorted(_families(), key=lambda family: family.name)
    for family in families:
        name = f"`{_series(family)}`"
        lines.append(_row(name, family.type, _labels(family), family.documentation))
    lines += ["", "## Outcomes and reasons", "", "Each stands at zero from the start."]
    for family in families:
        if values := _closed(family):
            lines += ["", f"`{_series(family)}`:", "", *(f"- {text}" for text in values)]
    return "\n".join(lines) + "\n"


def _families() -> Iterator[Metric]:
    """Yield the relay's own series, as the shipped configuration begins them."""
    loaded = load(REPOSITORY / "config" / "relay.yaml", SecretsMode.PRETEND)
    metrics = Metrics()
    metrics.build.labels("", "", "")
    for route in loaded.routes.values():
        metrics.add_route(route)
    for target in loaded.targets:
        metrics.add_target(target)
    metrics.payload.fit(loaded.routes)
    metrics.observe(lambda: Snapshot((TargetState("", 0, 0.0, {}),), 0, 0))
    for family in metrics.registry.collect():
        if family.name.startswith("relay_"):
            yield family


def _series(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> str:
    names = dict.fromkeys(name for sample in family.samples for name in sample.labels)
    return " ".join(f"`{name}`" for name in names if name != "le")


def _closed(family: Metric) -> list[str]:
    """Return the values that the labels `outcome` and `reason` can have, an outcome a text."""
    reasons: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        if not {"outcome", "reason"}.isdisjoint(sample.labels):
            named = reasons.setdefault(sample.labels.get("outcome", ""), {})
            if reason := sample.labels.get("reason"):
                named[reason] = None
    return [
        ": ".join(
            " ".join(f"`{word}`" for word in words) for words in ([outcome], named) if any(words)
        )
        for outcome, named in sorted(reasons.items(), key=lambda one: (len(one[1]) > 0, one[0]))
    ]


def pages() -> dict[str, str]:
    """Return each reference by the name of its file."""
    return {
        "relay.yaml.md": file_page("relay.yaml", _ABOUT_RELAY, RelayFile),
        "route.yaml.md": file_page("route.yaml", _ABOUT_ROUTE, RouteFile),
        "metrics.md": metrics_page(),
    }


def main() -> None:
    """Write the references."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
