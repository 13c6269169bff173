"""`verify:` and `senders:` sections to schemes, one for each sender."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from relay.config import models
from relay.config.source import Path_, Source
from relay.verify import Scheme
from relay.verify.options import Options, SecretOptions
from relay.verify.scheme import KeyInvalid, OptionInvalid


@dataclass(frozen=True, slots=True)
class Verification:
    """Builds the schemes of one route's file.

    `secret` follows a reference; if it can't be followed, it notes that and returns b''.
    """

    source: Source
    secret: Callable[[Source, Path_, str], bytes]

    def schemes(self, file: models.RouteFile) -> Mapping[str, Scheme]:
        """Return a scheme a sender, under '' if none are named; nothing after noting a problem."""
        before = len(self.source.problems)
        schemes: dict[str, Scheme] = {}
        for sender, (path, references) in self._references(file).items():
            secrets = self._secrets(file.verify, path, references)
            if secrets is None:
                continue
            try:
                schemes[sender] = file.verify.build(secrets)
            except OptionInvalid as error:
                remedy = "correct it, or choose another scheme"
                self.source.problem(("verify", error.option), str(error), remedy)
                break  # It would be the same for each sender.
        return schemes if len(self.source.problems) == before else {}

    def _references(
        self, file: models.RouteFile
    ) -> Mapping[str, tuple[tuple[str, ...], Sequence[str]]]:
        """Return by sender where its secrets stand, and the references to them."""
        verify = file.verify
        if not isinstance(verify, SecretOptions):
            if file.senders is None:
                return {"": (("verify",), ())}
            message = f"the scheme {verify.scheme} can't tell senders apart"
            remedy = "choose another scheme, or remove `senders`"
            self.source.problem(("senders",), message, remedy, key=True)
            return {}
        if file.senders is None:
            if verify.secrets is not None:
                return {"": (("verify", "secrets"), verify.secrets)}
            remedy = "add `secrets:`, or name `senders:` with secrets of their own"
            self.source.problem(("verify",), "verify.secrets: is missing", remedy, key=True)
            return {}
        if verify.secrets is not None:
            remedy = "keep one of the two: with senders, each has secrets of its own"
            message = "verify.secrets and senders are both given"
            self.source.problem(("verify", "secrets"), message, remedy, key=True)
        return {
            name: (("senders", name, "secrets"), sender.secrets)
            for name, sender in file.senders.items()
        }

    def _secrets(
        self, verify: Options, path: tuple[str, ...], references: Sequence[str]
    ) -> list[bytes] | None:
        """Return one sender's secrets, or None after noting each that can't be had or is no key."""
        before = len(self.source.problems)
        secrets = [
            self.secret(self.source, (*path, n), reference)
            for n, reference in enumerate(references)
        ]
        if len(self.source.problems) > before:
            return None
        for n, secret in enumerate(secrets):
            try:
                verify.check_secret(secret)
            except KeyInvalid as error:
                self.source.problem((*path, n), str(error), error.remedy)
        return secrets if len(self.source.problems) == before else None
