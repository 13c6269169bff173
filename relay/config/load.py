"""Everything a relay runs on, out of its files: read at once, checked at once, all or nothing."""

import contextlib
import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from relay.config import metrics as metric
from relay.config import models, targets
from relay.config.compile import Compiler
from relay.config.source import Source
from relay.errors import ConfigInvalid
from relay.fields.secret import Secrets, SecretsMode
from relay.http.egress import ANY, NOT_PUBLIC, PUBLIC, Egress
from relay.routing.route import Route
from relay.targets.target import TargetSettings


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration: paths absolute, routes compiled, secrets followed."""

    path: Path
    config: models.RelayFile = field(repr=False)
    state: Path
    store: Path
    admin_token: bytes = field(repr=False)
    routes: Mapping[str, Route]
    targets: Mapping[str, TargetSettings]
    warnings: tuple[str, ...]
    digest: str


def load(path: Path, mode: SecretsMode, routes: Path | None = None) -> Loaded:
    """Read a configuration with all its targets and routes.

    `routes` replaces the configuration's folder of routes. Raises ConfigInvalid with every problem
    of every file.
    """
    source = Source(path, _shown(path))
    sources = [source]
    config = source.validate(models.RelayFile) if source.data is not None else None
    folder = path.parent
    # A mistake in the configuration must not hide those in the routes.
    readable = source.data if config is None and isinstance(source.data, dict) else {}
    state = (folder / (config.state if config else str(readable.get("state", "../var")))).resolve()
    declared = targets.read(config, source, _shown) if config else targets.Targets(source)
    if declared.source is not source:
        sources.append(declared.source)
    compiler = Compiler(Secrets(state, mode), declared.names)
    egress = _egress(config.egress) if config else ANY
    settings = declared.settings(egress, compiler.secret)
    token = b""
    if config is not None and config.admin.token:
        token = compiler.secret(source, ("admin", "token"), config.admin.token)
    elif config is not None and not _is_loopback(config.admin.listen):
        source.problem(
            ("admin", "listen"),
            "the admin listener is reachable from outside",
            "give it a `token:`",
        )
    folder_of_routes = folder / (
        config.routes if config else str(readable.get("routes", "../routes"))
    )
    compiled = {}
    if config is not None or folder_of_routes.is_dir():
        compiled = _routes(
            compiler, source, folder_of_routes if routes is None else routes, sources
        )
    problems = [problem for file in sources for problem in file.problems]
    if problems or config is None:
        raise ConfigInvalid(sorted(problems))
    return Loaded(
        path=path,
        config=config,
        state=state,
        store=(folder / config.store.removeprefix("sqlite:")).resolve(),
        admin_token=token,
        routes=compiled,
        targets=settings,
        warnings=tuple(compiler.warnings),
        digest=_digest(sources),
    )


def _routes(
    compiler: Compiler, config: Source, folder: Path, sources: list[Source]
) -> dict[str, Route]:
    if not folder.is_dir():
        config.problem(("routes",), f"there is no folder {folder.name}", "make it, or name another")
        return {}
    routes: dict[str, Route] = {}
    paths: dict[str, str] = {}
    metrics: dict[str, str] = {}
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        config.problem(
            ("routes",), f"{folder.name} can't be read: {error.strerror}", "check its mode"
        )
        return {}
    for entry in entries:
        path = entry / "route.yaml"
        if not _exists(path):
            continue
        source = Source(path, _shown(path))
        sources.append(source)
        file = source.validate(models.RouteFile) if source.data is not None else None
        route = compiler.route(source, file) if file is not None else None
        if route is None:
            continue
        for taken in route.paths.keys() & paths.keys():
            at = ("senders", route.paths[taken]) if route.paths[taken] else ("path",)
            message = f"the route {paths[taken]} has the path {taken} too"
            source.problem(at, message, "give one another path", key=len(at) > 1)
        metric.clash(source, route.name, route.measures, metrics)
        paths |= dict.fromkeys(route.paths, route.name)
        routes[route.name] = route
    return routes


def _exists(path: Path) -> bool:
    """Tell whether something has this name: if it is unreadable, the route is not removed."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _egress(file: models.AnyEgress) -> Egress:
    match file:
        case "any":
            return ANY
        case "public":
            return PUBLIC
    return Egress(NOT_PUBLIC, tuple(file.allow), tuple(file.deny))


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _digest(sources: list[Source]) -> str:
    """Digest what was read, route folders with all their code."""
    digest = hashlib.sha256()
    for source in sources:
        files = [source.path]
        if source.path.name == "route.yaml":
            files = sorted(file for file in source.path.parent.glob("*") if file.is_file())
        for file in files:
            with contextlib.suppress(
                OSError
            ):  # nothing of the route is in it, or reading it had failed before
                digest.update(str(file.name).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
