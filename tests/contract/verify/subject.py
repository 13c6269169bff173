"""Schemes under test: each of the table with the options that it needs, and variants of some."""

import base64
from dataclasses import dataclass
from typing import Any

from relay.clock import Wall
from relay.verify import Incoming, Scheme
from relay.verify.options import Options, SecretOptions
from relay.verify.scheme import KeyInvalid
from relay.verify.schemes import names, options

NOW = Wall(1_700_000_000.0)
_KEYS = [bytes([n]) * 32 for n in (1, 2, 3)]
_SECRETS = [
    [b"whsec_" + base64.b64encode(key) for key in _KEYS],
    [key.hex().encode() for key in _KEYS],
]
VARIANTS: list[dict[str, Any]] = [
    {
        "scheme": "hmac",
        "header": "x-signature",
        "prefix": "v9:",
        "hash": "sha512",
        "encoding": "base64",
        "signed": "{method} {url} {id}.{timestamp}.{body}",
        "timestamp": {"header": "x-timestamp"},
        "id": {"header": "x-id"},
        "url": "https://relay.example.org/in/hello",
    },
    {"scheme": "token", "header": "x-token"},
]


@dataclass(frozen=True)
class Subject:
    """A scheme as `verify:` of route.yaml spells it, with three secrets that can be its keys."""

    options: Options
    secrets: list[bytes]

    def make(self, *secrets: bytes) -> Scheme:
        return self.options.build(secrets)

    @property
    def tolerance(self) -> float | None:
        """Seconds either way, None if requests carry no time."""
        return _tolerance(self.options.model_dump())

    @property
    def is_shared(self) -> bool:
        """Whether the request carries the secret itself, which covers no body."""
        return bool(self.make(self.secrets[0]).secret_headers)


def subject(verify: dict[str, Any]) -> Subject:
    """Return the scheme; the first secrets that it takes as keys."""
    chosen = options(verify["scheme"]).model_validate(verify)
    return Subject(chosen, next(secrets for secrets in _SECRETS if _are_keys(chosen, secrets)))


def request(scheme: Scheme, body: bytes, now: Wall = NOW) -> Incoming:
    """Return the request that a sender with the scheme's first secret makes."""
    return Incoming(dict(scheme.sign(body, "msg_1", now).headers), body)


def _needed(name: str) -> dict[str, Any]:
    """Return the options that a scheme can't do without, out of its fields' examples."""
    fields = options(name).model_fields.items()
    needed = {field: info for field, info in fields if info.is_required() and field != "scheme"}
    return {"scheme": name, **{field: (info.examples or [])[0] for field, info in needed.items()}}


def _are_keys(chosen: Options, secrets: list[bytes]) -> bool:
    try:
        for secret in secrets:
            chosen.check_secret(secret)
    except KeyInvalid:
        return False
    return True


def _tolerance(values: dict[str, Any]) -> float | None:
    inner = (_tolerance(value) for value in values.values() if isinstance(value, dict))
    own: float | None = values.get("tolerance")
    return own if own is not None else next((value for value in inner if value is not None), None)


ALL: dict[str, Subject] = {name: subject(_needed(name)) for name in names()}
for number, variant in enumerate(VARIANTS):
    ALL[f"{variant['scheme']}-{number}"] = subject(variant)
SECRET = {name: scheme for name, scheme in ALL.items() if isinstance(scheme.options, SecretOptions)}
SIGNING = {name: scheme for name, scheme in SECRET.items() if not scheme.is_shared}
TIMED = {name: scheme for name, scheme in SECRET.items() if scheme.tolerance is not None}
