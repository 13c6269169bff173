"""Any HMAC over any of the request's parts: spells out most providers, and GitHub by name."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relay.errors import NotVerified
from relay.verify.scheme import (
    TOLERANCE,
    EventDefaults,
    Handshake,
    Incoming,
    Signed,
    check_age,
    header,
    matches_any,
    seconds,
)

PLACEHOLDERS = frozenset({"id", "timestamp", "method", "url", "body"})
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class MacOptions:
    """How a provider signs.

    `header` holds `<prefix><signature>`. `signed` is a template over {id} {timestamp} {method} {url} {body}.
    `tolerance` is in seconds. `url` is the address the sender was told, for those that sign it.
    """

    header: str
    prefix: str = ""
    hash: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    signed: str = "{body}"
    timestamp_header: str = ""
    tolerance: float = TOLERANCE
    id_header: str = ""
    url: str = ""


class Mac:
    """The scheme `hmac`, and by name what is one."""

    secret_headers: frozenset[str] = frozenset()

    def __init__(
        self,
        secrets: Sequence[bytes],
        options: MacOptions,
        *,
        name: str = "hmac",
        defaults: EventDefaults | None = None,
    ) -> None:
        """Raise ValueError if `signed` names what is not known, or a part that no header is named for."""
        self.name = name
        self.defaults = defaults or EventDefaults(
            id=f'headers["{options.id_header}"]' if options.id_header else ""
        )
        self._secrets = secrets
        self._options = options
        self._template = _parse(options)
        self._digest: Callable[[bytes, bytes], bytes] = _DIGESTS[options.hash]

    def verify(self, incoming: Incoming, now: float) -> None:
        """Check the signature over the template, then the timestamp if the scheme has one."""
        options = self._options
        value = header(incoming, options.header)
        if not value.startswith(options.prefix):
            raise NotVerified(f"{options.header} does not start with {options.prefix}")
        given = _decode(value[len(options.prefix) :], options.encoding)
        timestamp = header(incoming, options.timestamp_header) if options.timestamp_header else ""
        message_id = header(incoming, options.id_header) if options.id_header else ""
        message = self._message(message_id, timestamp, incoming.method, options.url, incoming.raw)
        if not matches_any((self._digest(secret, message) for secret in self._secrets), [given]):
            raise NotVerified("the signature does not match")
        if options.timestamp_header:
            check_age(seconds(timestamp), now, options.tolerance)

    def handshake(self, value: Any) -> Handshake | None:
        """There is none."""

    def sign(self, body: bytes, message_id: str, now: float) -> Signed:
        """Sign a POST with the first secret."""
        options = self._options
        timestamp = str(int(now)) if options.timestamp_header else ""
        digest = self._digest(
            self._secrets[0], self._message(message_id, timestamp, "POST", options.url, body)
        )
        text = digest.hex() if options.encoding == "hex" else base64.b64encode(digest).decode()
        headers = {options.header: options.prefix + text}
        if options.timestamp_header:
            headers[options.timestamp_header] = timestamp
        if options.id_header:
            headers[options.id_header] = message_id
        return Signed(headers)

    def _message(
        self, message_id: str, timestamp: str, method: str, url: str, body: bytes
    ) -> bytes:
        if self._template == ("{body}",):
            return body
        values = {
            "{id}": message_id.encode("utf-8", "surrogateescape"),
            "{timestamp}": timestamp.encode("utf-8", "surrogateescape"),
            "{method}": method.encode(),
            "{url}": url.encode(),
            "{body}": body,
        }
        return b"".join(values.get(part, part.encode()) for part in self._template)


def github(secrets: Sequence[bytes]) -> Mac:
    """Return GitHub's scheme: hex HMAC-SHA256 of the body in `x-hub-signature-256`; SHA-1 is not accepted.

    Rule: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    return Mac(
        secrets,
        MacOptions(header="x-hub-signature-256", prefix="sha256="),
        name="github",
        defaults=EventDefaults(id='headers["x-github-delivery"]', type='headers["x-github-event"]'),
    )


def _parse(options: MacOptions) -> tuple[str, ...]:
    parts = tuple(part for part in re.split(r"(\{[a-z]+\})", options.signed) if part)
    names = set(_PLACEHOLDER.findall(options.signed))
    if unknown := names - PLACEHOLDERS:
        raise ValueError(f"signed: {{{min(unknown)}}} is not known; there are {_listed()}")
    if options.timestamp_header and "timestamp" not in names:
        raise ValueError("signed: must contain {timestamp}, or the timestamp could be exchanged")
    if "body" not in names:
        raise ValueError("signed: must contain {body}, or the body could be exchanged")
    for name, given in (
        ("timestamp", options.timestamp_header),
        ("id", options.id_header),
        ("url", options.url),
    ):
        if name in names and not given:
            raise ValueError(f"signed: names {{{name}}}, but `{name}` is not given beside it")
    return parts


def _listed() -> str:
    return " ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))


def _decode(text: str, encoding: str) -> bytes:
    try:
        if encoding == "hex":
            return bytes.fromhex(text) if text.isalnum() else b""
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _sha1(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha1)


def _sha256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


def _sha512(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha512)


_DIGESTS = {"sha1": _sha1, "sha256": _sha256, "sha512": _sha512}
