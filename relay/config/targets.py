"""The `targets:` section, or the file that it names: each target as the settings of its kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relay.config import models
from relay.config.source import Path_, Source
from relay.http.egress import Egress
from relay.targets.target import Options, TargetSettings


@dataclass(slots=True)
class Targets:
    """The targets of one configuration, and where they stand.

    `declared` is None if they can't be read; the problems then stand in the source.
    """

    source: Source
    prefix: tuple[str, ...] = ()  # the steps from the source's root to the targets
    declared: Mapping[str, Options] | None = None

    @property
    def names(self) -> list[str] | None:
        """The targets' names, None if they can't be read."""
        return None if self.declared is None else list(self.declared)

    def settings(
        self, egress: Egress, secret: Callable[[Source, Path_, str], bytes]
    ) -> dict[str, TargetSettings]:
        """Return each target's settings.

        `secret` follows a reference, and notes a problem if that fails. Problems of the targets are
        noted in the source.
        """
        files: dict[Path, _Claim] = {}
        return {
            name: options.settings(
                _Section(name, egress, self.source, (*self.prefix, name), secret, files)
            )
            for name, options in (self.declared or {}).items()
        }


def read(config: models.RelayFile, source: Source, shown: Callable[[Path], str]) -> Targets:
    """Return the targets of a configuration, from a source of their own if it names a file.

    `shown` says how problems call a file.
    """
    if not isinstance(config.targets, Path):
        return Targets(source, ("targets",), config.targets)
    path = source.path.parent / config.targets
    if not path.is_file():
        source.problem(
            ("targets",), f"there is no file {config.targets}", "add it, or write the targets here"
        )
        return Targets(source, ("targets",))
    own = Source(path, shown(path))
    file = own.validate(models.TargetsFile) if own.data is not None else None
    return Targets(own, declared=file.root if file else None)


@dataclass(frozen=True, slots=True)
class _Claim:
    """The last target that writes a file, and why it needs it alone, '' if it doesn't."""

    target: str
    alone: str


@dataclass(frozen=True, slots=True)
class _Section:
    """One target's section of a source. `files` are those that the targets before it write."""

    name: str
    egress: Egress
    _source: Source = field(repr=False)
    _path: tuple[str, ...]
    _follow: Callable[[Source, Path_, str], bytes] = field(repr=False)
    _files: dict[Path, _Claim] = field(repr=False)

    def secret(self, path: Sequence[str | int], reference: str) -> bytes:
        return self._follow(self._source, (*self._path, *path), reference)

    def problem(self, path: Sequence[str | int], message: str, remedy: str) -> None:
        self._source.problem((*self._path, *path), message, remedy)

    def file(self, key: str, path: Path, *, alone: str = "") -> Path:
        resolved = (self._source.path.parent / path).resolve()
        before = self._files.get(resolved)
        if before is not None and (why := alone or before.alone):
            message = f"the target {before.target} has the same file"
            self.problem((key,), message, f"name another: {why}")
        self._files[resolved] = _Claim(self.name, alone)
        return resolved
