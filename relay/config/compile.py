"""A route's file to the route that runs: secrets followed, expressions compiled, code loaded."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from relay.code.folder import CodeFolder, CodeInvalid
from relay.code.model import ModelValidator
from relay.config import metrics as metric
from relay.config import models
from relay.config.expression import TEXT, compiled, optional
from relay.config.models import is_name
from relay.config.scheme import Verification
from relay.config.source import Path_, Source, nearest
from relay.expression.cel import Expression
from relay.fields.secret import Secrets, SecretUnavailable
from relay.routing.route import Each, Forward, Route, Validator, unconditional
from relay.verify import EventDefaults


@dataclass(slots=True)
class Compiler:
    """Compiles the routes of one config; notes what is wrong with each in its source."""

    secrets: Secrets
    targets: Collection[str] | None  # None: they could not be read
    warnings: list[str] = field(default_factory=list)

    def route(self, source: Source, file: models.RouteFile) -> Route | None:
        """Return the route, or None after noting every problem."""
        before = len(source.problems)
        folder = source.path.parent
        name = folder.name
        if not is_name(name):
            source.problem(
                (),
                f"the folder's name {name!r} can't be a route's name",
                "rename it with letters, digits, dots, dashes and underscores",
            )
        schemes = Verification(source, self.secret).schemes(file)
        code = CodeFolder(folder)
        validator = self._validator(source, file, code)
        forwards = tuple(
            self._forward(source, ("forward", n), forward, code, file.forward)
            for n, forward in enumerate(file.forward)
        )
        own, own_body = self._event(
            source, file, next(iter(schemes.values())).defaults if schemes else EventDefaults()
        )
        authorize = optional(source, ("authorize",), file.authorize, ("BOOL",), "verified")
        measures = metric.measures(source, file.metrics)
        if not schemes or len(source.problems) > before:
            return None
        own_body |= authorize is not None and authorize.uses_body
        reads = file.payload is not None or own_body or any(map(_reads_body, forwards))
        deduplicates = own["id"] is not None
        return Route(
            name=name,
            path=file.path or f"/in/{name}",
            schemes=schemes,
            forwards=forwards,
            id=own["id"],
            type=own["type"],
            key=own["key"],
            dedupe=file.event.dedupe if deduplicates else 0.0,
            validator=validator,
            authorize=authorize,
            quarantines=file.payload is not None and file.payload.invalid == "quarantine",
            reads_json=reads,
            tries_json=any(one is not None and one.uses_body for one in own.values())
            or any(forward.transform for forward in forwards)
            or any(map(metric.reads_body, measures)),
            body_limit=file.limits.body,
            rate=file.limits.rate,
            status=file.respond.status,
            retention=file.retention,
            time_limit=file.limits.time,
            measures=measures,
            by_name={forward.name: forward for forward in forwards},
            always=unconditional(forwards),
            chosen={} if all(isinstance(forward.to, str) for forward in forwards) else None,
        )

    def secret(self, source: Source, path: Path_, reference: str) -> bytes:
        """Follow a reference; note a problem if it can't be, and b'' stands for it."""
        try:
            secret = self.secrets.resolve(reference, source.path.parent)
        except SecretUnavailable as error:
            source.problem(path, str(error), error.remedy)
            return b""
        if secret.literal:
            line, column = source.place(path)
            self.warnings.append(
                f"{source.shown}:{line}:{column}: a secret stands in the file — write env:NAME, file:PATH or "
                "managed:NAME"
            )
        return secret.value

    def _validator(
        self, source: Source, file: models.RouteFile, code: CodeFolder
    ) -> Validator | None:
        if file.payload is None:
            return None
        try:
            if file.payload.model is not None:
                return ModelValidator(
                    code.get(file.payload.model), file.payload.model, file.limits.time
                )
            from relay.code.schema import SchemaValidator

            return SchemaValidator(
                source.path.parent / (file.payload.json_schema or ""), file.limits.time
            )
        except CodeInvalid as error:
            key = "model" if file.payload.model is not None else "schema"
            source.problem(("payload", key), str(error), error.remedy)
            return None

    def _event(
        self, source: Source, file: models.RouteFile, defaults: EventDefaults
    ) -> tuple[dict[str, Expression | None], bool]:
        """Return the expressions for id, type and key, and whether one that the route gives reads the body."""
        made: dict[str, Expression | None] = {}
        own_body = False
        for name, default in (("id", defaults.id), ("type", defaults.type), ("key", "")):
            given: str | None = getattr(file.event, name)
            if given is None:
                made[name] = Expression(default, "request") if default else None
                continue
            own = compiled(source, ("event", name), given, "request", TEXT)
            own_body |= own is not None and own.uses_body
            made[name] = own
        return made, own_body

    def _forward(
        self, source: Source, path: tuple[str | int, ...], forward: models.ForwardFile,
        code: CodeFolder, siblings: list[models.ForwardFile],
    ) -> Forward:  # fmt: skip
        to: str | Each = ""
        if isinstance(forward.to, str):
            to = forward.to
            if self.targets is not None and to not in self.targets:
                remedy = (
                    nearest(to, list(self.targets)) or "declare it under `targets` in the config"
                )
                source.problem((*path, "to"), f"there is no target {to!r}", remedy)
        else:
            items = compiled(source, (*path, "to", "each"), forward.to.each, "event", ("LIST",))
            target = compiled(source, (*path, "to", "target"), forward.to.target, "item", TEXT)
            if items is not None and target is not None:
                to = Each(items, target)
        transform: Any = None
        if forward.transform is not None:
            try:
                transform = code.get_function(forward.transform)
            except CodeInvalid as error:
                source.problem((*path, "transform"), str(error), error.remedy)
        name = forward.name or _default_name(forward, siblings)
        if Counter(one.name or _default_name(one, siblings) for one in siblings)[name] > 1:
            at = (*path, "name") if forward.name else (*path, "to")
            source.problem(
                at, f"two forwards are called {name!r}", "give each a `name:` of its own"
            )
        return Forward(
            name=name,
            to=to,
            ordered=forward.ordered,
            when=optional(source, (*path, "when"), forward.when, ("BOOL",)),
            transform=transform,
            body=optional(source, (*path, "body"), forward.body, ()),
            headers=tuple(
                (header, made)
                for header, text in forward.headers.items()
                if (made := compiled(source, (*path, "headers", header), text, "event", TEXT))
            ),
        )


def _default_name(forward: models.ForwardFile, siblings: list[models.ForwardFile]) -> str:
    """Name a forward after its target; the second to the same target becomes `target-2`."""
    base = forward.to if isinstance(forward.to, str) else "each"
    same = [one for one in siblings if (one.to if isinstance(one.to, str) else "each") == base]
    position = next(n for n, one in enumerate(same) if one is forward)
    return base if position == 0 else f"{base}-{position + 1}"


def _reads_body(forward: Forward) -> bool:
    expressions = [forward.when, forward.body, *(expression for _, expression in forward.headers)]
    if isinstance(forward.to, Each):
        expressions += [forward.to.items, forward.to.target]
    return any(expression is not None and expression.uses_body for expression in expressions)
