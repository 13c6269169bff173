"""Everything a relay runs on, out of its files: read at once, checked at once, all or nothing."""

import base64
import contextlib
import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from relay.config import metrics as metric
from relay.config import models
from relay.config.compile import Compiler
from relay.config.source import Path_, Source
from relay.errors import ConfigInvalid
from relay.fields.secret import Secrets, SecretsMode
from relay.http.egress import ANY, NOT_PUBLIC, PUBLIC, Egress, refusal
from relay.routing.route import Route
from relay.targets.atom import derived_id
from relay.verify.sign import decode_key


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """A URL target with its secrets followed."""

    config: models.HttpTarget = field(repr=False)
    signing_keys: tuple[bytes, ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    egress: Egress


@dataclass(frozen=True, slots=True)
class FileSettings:
    """A file target with its path made absolute."""

    config: models.FileTarget
    path: Path


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """A feed target with its path made absolute, and an id."""

    config: models.FeedTarget
    path: Path
    id: str


TargetSettings = HttpSettings | FileSettings | FeedSettings


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
    """Read a config with all its targets and routes; `routes` replaces the config's folder of routes.

    Raises ConfigInvalid with every problem of every file.
    """
    source = Source(path, _shown(path))
    sources = [source]
    config = source.validate(models.RelayFile) if source.data is not None else None
    folder = path.parent
    # What is wrong in the config must not hide what is wrong in the routes.
    said = source.data if config is None and isinstance(source.data, dict) else {}
    state = (folder / (config.state if config else str(said.get("state", "../var")))).resolve()
    declared, targets_source, prefix = (
        _declared(config, source, sources) if config else (None, source, ())
    )
    compiler = Compiler(Secrets(state, mode), None if declared is None else list(declared))
    egress = _egress(config.egress) if config else ANY
    targets = {
        name: _target(compiler, targets_source, (*prefix, name), target, egress)
        for name, target in (declared or {}).items()
    }
    _check_files(targets, targets_source, prefix)
    token = b""
    if config is not None and config.admin.token:
        token = compiler.secret(source, ("admin", "token"), config.admin.token)
    elif config is not None and not _is_loopback(config.admin.listen):
        source.problem(
            ("admin", "listen"),
            "the admin listener is reachable from outside",
            "give it a `token:`",
        )
    named = folder / (config.routes if config else str(said.get("routes", "../routes")))
    found = {}
    if config is not None or named.is_dir():
        found = _routes(compiler, source, named if routes is None else routes, sources)
    problems = [problem for one in sources for problem in one.problems]
    if problems or config is None:
        raise ConfigInvalid(sorted(problems))
    return Loaded(
        path=path,
        config=config,
        state=state,
        store=(folder / config.store.removeprefix("sqlite:")).resolve(),
        admin_token=token,
        routes=found,
        targets=targets,
        warnings=tuple(compiler.warnings),
        digest=_digest(sources),
    )


def _declared(
    config: models.RelayFile, source: Source, sources: list[Source]
) -> tuple[Mapping[str, models.Target] | None, Source, tuple[str, ...]]:
    """Return the targets (None: they can't be read), and where they stand."""
    if not isinstance(config.targets, Path):
        return config.targets, source, ("targets",)
    path = source.path.parent / config.targets
    if not path.is_file():
        source.problem(
            ("targets",), f"there is no file {config.targets}", "add it, or write the targets here"
        )
        return None, source, ("targets",)
    own = Source(path, _shown(path))
    sources.append(own)
    file = own.validate(models.TargetsFile) if own.data is not None else None
    return (file.root if file else None), own, ()


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
            said = f"the route {paths[taken]} has the path {taken} too"
            source.problem(at, said, "give one another path", key=len(at) > 1)
        metric.clash(source, route.name, route.measures, metrics)
        paths |= dict.fromkeys(route.paths, route.name)
        routes[route.name] = route
    return routes


def _exists(path: Path) -> bool:
    """Tell whether something has this name, be it unreadable: that is a problem to tell, and no removed route."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _target(
    compiler: Compiler, source: Source, path: tuple[str, ...], target: models.Target, egress: Egress
) -> TargetSettings:
    if isinstance(target, models.FileTarget):
        return FileSettings(target, (source.path.parent / target.file).resolve())
    if isinstance(target, models.FeedTarget):
        file = (source.path.parent / target.feed).resolve()
        return FeedSettings(target, file, target.id or derived_id(target.link or file.as_uri()))
    if why := _refused(target.url, egress):
        source.problem((*path, "url"), why, "the relay could not reach it; name another address")
    keys = []
    for n, reference in enumerate(target.sign.secrets if target.sign else ()):
        at: Path_ = (*path, "sign", "secrets", n)
        value = compiler.secret(source, at, reference)
        try:
            keys.append(decode_key(value))
        except ValueError as error:
            source.problem(at, str(error), "use managed:NAME, or a whsec_… secret")
    headers = dict(target.headers)
    if target.auth is not None:
        headers |= _auth(compiler, source, (*path, "auth"), target.auth)
    return HttpSettings(target, tuple(keys), headers, egress)


def _check_files(
    targets: Mapping[str, TargetSettings], source: Source, prefix: tuple[str, ...]
) -> None:
    """Note feeds whose file another target writes too: each would undo what the other wrote."""
    taken: dict[Path, str] = {}
    for name, one in targets.items():
        if isinstance(one, HttpSettings):
            continue
        feeds = isinstance(one, FeedSettings) or isinstance(
            targets.get(taken.get(one.path, "")), FeedSettings
        )
        if one.path in taken and feeds:
            key = "feed" if isinstance(one, FeedSettings) else "file"
            said = f"the target {taken[one.path]} has the same file"
            source.problem(
                (*prefix, name, key), said, "name another: a feed has its file for itself"
            )
        taken[one.path] = name


def _auth(
    compiler: Compiler, source: Source, path: tuple[str, ...], auth: models.Auth
) -> Mapping[str, str]:
    if auth.bearer is not None:
        at, name, reference = (*path, "bearer"), "authorization", auth.bearer
    elif auth.basic is not None:
        value = compiler.secret(source, (*path, "basic", "password"), auth.basic.password)
        pair = auth.basic.username.encode() + b":" + value
        return {"authorization": "Basic " + base64.b64encode(pair).decode()}
    else:
        assert auth.header is not None
        at, name, reference = (*path, "header", "value"), auth.header.name, auth.header.value
    text = compiler.secret(source, at, reference).decode("utf-8", "surrogateescape")
    if not models.is_header_value(text):
        source.problem(
            at, "the secret can't stand in a header", "write it as printable text on one line"
        )
    return {name: f"Bearer {text}" if auth.bearer is not None else text}


def _egress(file: models.AnyEgress) -> Egress:
    match file:
        case "any":
            return ANY
        case "public":
            return PUBLIC
    return Egress(NOT_PUBLIC, tuple(file.allow), tuple(file.deny))


def _refused(url: str, egress: Egress) -> str:
    """Return why a URL's literal address can't be dialled; of a name, only the dial can tell."""
    try:
        return refusal(URL(url).host or "", egress)
    except ValueError:
        return ""


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
