"""`verify:` and `senders:` sections to schemes, one for each sender."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from relay.config import models
from relay.config.source import Path_, Source
from relay.verify import (
    Basic,
    Mac,
    MacOptions,
    Scheme,
    Slack,
    StandardWebhooks,
    Stripe,
    Token,
    Unverified,
    github,
)
from relay.verify.sign import decode_key


def build(verify: models.AnyVerify, secrets: Sequence[bytes]) -> Scheme:
    """Return the scheme of a section; raise ValueError if its secrets or options don't fit it."""
    match verify:
        case models.VerifyStandard():
            return StandardWebhooks(secrets, verify.tolerance)
        case models.VerifyGithub():
            return github(secrets)
        case models.VerifyStripe():
            return Stripe(secrets, verify.tolerance)
        case models.VerifySlack():
            return Slack(secrets, verify.tolerance)
        case models.VerifyToken():
            return Token(secrets, verify.header)
        case models.VerifyBasic():
            return Basic(secrets, verify.username)
        case models.VerifyNone():
            return Unverified()
        case models.VerifyHmac():
            return Mac(
                secrets,
                MacOptions(
                    header=verify.header,
                    prefix=verify.prefix,
                    hash=verify.hash,
                    encoding=verify.encoding,
                    signed=verify.signed,
                    timestamp_header=verify.timestamp.header if verify.timestamp else "",
                    tolerance=verify.timestamp.tolerance if verify.timestamp else 0.0,
                    id_header=verify.id.header if verify.id else "",
                    url=verify.url,
                ),
            )


@dataclass(frozen=True, slots=True)
class Verification:
    """Makes the schemes of one route's file; `secret` follows a reference, and notes it if it can't be."""

    source: Source
    secret: Callable[[Source, Path_, str], bytes]

    def schemes(self, file: models.RouteFile) -> Mapping[str, Scheme]:
        """Return a scheme a sender, under '' if none are named; nothing after noting what is wrong."""
        verify, before = file.verify, len(self.source.problems)
        if isinstance(verify, models.VerifyNone):
            if file.senders is not None:
                remedy = "choose another scheme, or remove `senders`"
                self.source.problem(
                    ("senders",), "the scheme none can't tell senders apart", remedy, key=True
                )
                return {}
            return {"": Unverified()}
        given = self._secrets(file, verify.secrets)
        made = {}
        for sender, (path, references) in given.items():
            start = len(self.source.problems)
            values = [self.secret(self.source, (*path, n), one) for n, one in enumerate(references)]
            if len(self.source.problems) > start:
                continue
            if isinstance(verify, models.VerifyStandard) and not self._are_keys(path, values):
                continue
            try:
                made[sender] = build(verify, values)
            except ValueError as error:
                at: Path_ = ("verify", "signed") if str(error).startswith("signed:") else path
                self.source.problem(at, str(error), "correct it, or choose another scheme")
                break  # it would be the same for each
        return made if len(self.source.problems) == before else {}

    def _secrets(
        self, file: models.RouteFile, shared: Sequence[str] | None
    ) -> dict[str, tuple[tuple[str, ...], Sequence[str]]]:
        """Return by sender where its secrets stand, and their references."""
        if file.senders is None:
            if shared is None:
                remedy = "add `secrets:`, or name `senders:` with secrets of their own"
                self.source.problem(("verify",), "verify.secrets: is missing", remedy, key=True)
                return {}
            return {"": (("verify", "secrets"), shared)}
        if shared is not None:
            remedy = "keep one of the two: with senders, each has secrets of its own"
            self.source.problem(
                ("verify", "secrets"), "verify.secrets and senders are both given", remedy, key=True
            )
        return {
            name: (("senders", name, "secrets"), sender.secrets)
            for name, sender in file.senders.items()
        }

    def _are_keys(self, path: tuple[str, ...], values: Sequence[bytes]) -> bool:
        """Tell whether the secrets can be keys of Standard Webhooks, noting each that can't."""
        before = len(self.source.problems)
        for n, value in enumerate(values):
            try:
                decode_key(value)
            except ValueError as error:
                self.source.problem((*path, n), str(error), "use managed:NAME, or a whsec_… secret")
        return len(self.source.problems) == before
