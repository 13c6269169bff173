"""Compiles a route's file to the route that runs: secrets, expressions, code."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.code.folder import CodeFolder, CodeInvalid
from relay.code.model import ModelValidator
from relay.config import metrics, models
from relay.config.expression import TEXT, compiled, optional
from relay.config.models import is_name
from relay.config.scheme import Verification
from relay.config.source import Path_, Source, nearest
from relay.expression.cel import Expression
from relay.fields.secret import Secrets, SecretUnavailable
from relay.routing.route import Each, Forward, Route, Validator
from relay.verify import EventDefaults

_FACTS = ("id", "type", "key")


@dataclass(slots=True)
class Compiler:
    """Compiles the routes of one config; notes the problems of each in its source."""

    secrets: Secrets
    targets: Collection[str] | None  # None: they could not be read
    warnings: list[str] = field(default_factory=list)

    def route(self, source: Source, file: models.RouteFile) -> Route | None:
        """Return the route, or None after noting every problem."""
        before = len(source.problems)
        folder = source.path.parent
        if not is_name(folder.name):
            source.problem(
                (),
                f"the folder's name {folder.name!r} can't be a route's name",
                "rename it with letters, digits, dots, dashes and underscores",
            )
        schemes = Verification(source, self.secret).schemes(file)
        defaults = next(iter(schemes.values())).defaults if schemes else EventDefaults()
        code = CodeFolder(folder)
        validator = _validator(source, file, code)
        forwards = _Forwards(source, file.forward, code, self.targets).compile()
        facts = {name: _fact(source, file, defaults, name) for name in _FACTS}
        authorize = optional(source, ("authorize",), file.authorize, ("BOOL",), "verified")
        measures = metrics.measures(source, file.metrics)
        if not schemes or len(source.problems) > before:
            return None
        return Route(
            name=folder.name,
            path=file.path or f"/in/{folder.name}",
            schemes=schemes,
            forwards=forwards,
            id=facts["id"],
            type=facts["type"],
            key=facts["key"],
            by_default=frozenset(name for name in _FACTS if getattr(file.event, name) is None),
            dedupe=file.event.dedupe,
            validator=validator,
            authorize=authorize,
            quarantines=file.payload is not None and file.payload.invalid == "quarantine",
            body_limit=file.limits.body,
            rate=file.limits.rate,
            status=file.respond.status,
            retention=file.retention,
            time_limit=file.limits.time,
            measures=measures,
        )

    def secret(self, source: Source, path: Path_, reference: str) -> bytes:
        """Follow a reference; note a problem if it can't be followed, and return b''."""
        try:
            secret = self.secrets.resolve(reference, source.path.parent)
        except SecretUnavailable as error:
            source.problem(path, str(error), error.remedy)
            return b""
        if secret.literal:
            line, column = source.place(path)
            self.warnings.append(
                f"{source.shown}:{line}:{column}: a secret stands in the file — "
                "write env:NAME, file:PATH or managed:NAME"
            )
        return secret.value


@dataclass(frozen=True, slots=True)
class _Forwards:
    """Compiles the forwards of one route's file."""

    source: Source
    files: Sequence[models.ForwardFile]
    code: CodeFolder
    targets: Collection[str] | None

    def compile(self) -> tuple[Forward, ...]:
        """Return the forwards, after noting every problem."""
        names = _names(self.files)
        uses = Counter(names)
        for n, (name, file) in enumerate(zip(names, self.files, strict=True)):
            if uses[name] > 1:
                self.source.problem(
                    ("forward", n, "name" if file.name else "to"),
                    f"two forwards are called {name!r}",
                    "give each a `name:` of its own",
                )
        return tuple(
            self._forward(("forward", n), name, file)
            for n, (name, file) in enumerate(zip(names, self.files, strict=True))
        )

    def _forward(self, path: Path_, name: str, file: models.ForwardFile) -> Forward:
        source = self.source
        headers = (
            (header, compiled(source, (*path, "headers", header), text, "event", TEXT))
            for header, text in file.headers.items()
        )
        return Forward(
            name=name,
            to=self._to((*path, "to"), file.to),
            ordered=file.ordered,
            when=optional(source, (*path, "when"), file.when, ("BOOL",)),
            transform=self._transform((*path, "transform"), file.transform),
            body=optional(source, (*path, "body"), file.body, ()),
            headers=tuple((header, text) for header, text in headers if text is not None),
        )

    def _to(self, path: Path_, to: str | models.EachFile) -> str | Each:
        if isinstance(to, str):
            if self.targets is not None and to not in self.targets:
                similar = nearest(to, list(self.targets))
                remedy = similar or "declare it under `targets` in the config"
                self.source.problem(path, f"there is no target {to!r}", remedy)
            return to
        items = compiled(self.source, (*path, "each"), to.each, "event", ("LIST",))
        target = compiled(self.source, (*path, "target"), to.target, "item", TEXT)
        return "" if items is None or target is None else Each(items, target)

    def _transform(self, path: Path_, reference: str | None) -> Any:
        if reference is None:
            return None
        try:
            return self.code.get_function(reference)
        except CodeInvalid as error:
            self.source.problem(path, str(error), error.remedy)
            return None


def _names(files: Sequence[models.ForwardFile]) -> list[str]:
    """Name each forward: its own name, or its target's; the second to the same is `target-2`."""
    names = []
    uses = Counter[str]()
    for file in files:
        base = file.to if isinstance(file.to, str) else "each"
        uses[base] += 1
        names.append(file.name or (base if uses[base] == 1 else f"{base}-{uses[base]}"))
    return names


def _validator(source: Source, file: models.RouteFile, code: CodeFolder) -> Validator | None:
    payload = file.payload
    if payload is None:
        return None
    try:
        if payload.model is not None:
            return ModelValidator(code.get(payload.model), payload.model, file.limits.time)
        # Late: a relay without any JSON Schema starts without the library for it.
        from relay.code.schema import SchemaValidator

        path = source.path.parent / (payload.json_schema or "")
        return SchemaValidator(path, file.limits.time)
    except CodeInvalid as error:
        key = "model" if payload.model is not None else "schema"
        source.problem(("payload", key), str(error), error.remedy)
        return None


def _fact(
    source: Source, file: models.RouteFile, defaults: EventDefaults, name: str
) -> Expression | None:
    """Return the expression for an event's id, type or key: the route's own, or the scheme's."""
    own: str | None = getattr(file.event, name)
    if own is not None:
        return compiled(source, ("event", name), own, "request", TEXT)
    default = {"id": defaults.id, "type": defaults.type, "key": ""}[name]
    return Expression(default, "request") if default else None
