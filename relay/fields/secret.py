"""Secret references: `env:NAME`, `file:PATH`, `managed:NAME`.

No secret shows in a repr or error.
"""

import base64
import os
import re
import secrets
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from relay.errors import RelayError

_MANAGED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BYTES = 32


class SecretsMode(Enum):
    """How a managed secret that is not there yet is dealt with."""

    CREATE = "create"  # `relay run`
    READ = "read"  # `relay send`: an error
    PRETEND = "pretend"  # `relay check`, `try`, `test`: one that lives as long as the process


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret's bytes and where they come from."""

    value: bytes
    source: str
    literal: bool = False

    def __repr__(self) -> str:
        return f"Secret({'literal' if self.literal else self.source})"


class SecretUnavailable(RelayError):
    """A reference that can't be followed; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Secrets:
    """Follows references; relative paths are relative to the folder of the file that names them."""

    def __init__(self, state: Path, mode: SecretsMode) -> None:
        self._folder = state / "secrets"
        self._mode = mode
        self._pretended: dict[str, bytes] = {}

    def resolve(self, reference: str, folder: Path) -> Secret:
        """Return the secret; text without a known prefix is the secret.

        Raises SecretUnavailable.
        """
        kind, colon, rest = reference.partition(":")
        if colon and kind == "env":
            return Secret(_from_environment(rest), reference)
        if colon and kind == "file":
            return Secret(_from_file(folder / rest), reference)
        if colon and kind == "managed":
            return Secret(self._managed(rest), reference)
        if not reference:
            raise SecretUnavailable(
                "the secret is empty", "write env:NAME, file:PATH or managed:NAME"
            )
        return Secret(reference.encode(), "literal", literal=True)

    def _managed(self, name: str) -> bytes:
        if not _MANAGED.fullmatch(name):
            raise SecretUnavailable(
                f"managed:{name} is not a name", "use letters, digits, dots, dashes and underscores"
            )
        path = self._folder / name
        if path.exists():
            return _from_file(path)
        if self._mode is SecretsMode.READ:
            raise SecretUnavailable(
                f"managed:{name} has not been made yet", "start the relay once: it makes the secret"
            )
        secret = b"whsec_" + base64.b64encode(secrets.token_bytes(_BYTES))
        if self._mode is SecretsMode.PRETEND:
            return self._pretended.setdefault(name, secret)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        return secret


def _from_environment(name: str) -> bytes:
    value = os.environ.get(name, "")
    if not value:
        raise SecretUnavailable(
            f"the environment has no {name}", f"set {name} before the relay starts"
        )
    return os.fsencode(value)


def _from_file(path: Path) -> bytes:
    try:
        value = path.read_bytes().strip()
    except OSError as error:
        raise SecretUnavailable(
            f"{path} can't be read: {error.strerror}", "check the path and its mode"
        ) from None
    if not value:
        raise SecretUnavailable(f"{path} is empty", "write the secret into it")
    return value
