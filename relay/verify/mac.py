"""An HMAC over any of a request's parts: the machine behind `hmac` and most providers' schemes."""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relay.clock import Wall
from relay.errors import NotVerified
from relay.verify.checks import check_age, header, matches_any, seconds
from relay.verify.options import TOLERANCE
from relay.verify.scheme import Incoming, OptionInvalid, Scheme, Signed

Hash = Literal["sha1", "sha256", "sha512"]
Encoding = Literal["hex", "base64"]
PLACEHOLDERS = frozenset({"id", "timestamp", "method", "url", "body"})
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a provider signs.

    `header` holds `<prefix><signature>`. `signed` is a template over {id}, {timestamp}, {method},
    {url} and {body}. `tolerance` is in seconds. `url` is the address that the sender posts to, for
    those that sign it: the address in the request may be that of a proxy.
    """

    header: str
    prefix: str = ""
    hash: Hash = "sha256"
    encoding: Encoding = "hex"
    signed: str = "{body}"
    timestamp_header: str = ""
    tolerance: float = TOLERANCE
    id_header: str = ""
    url: str = ""


class Mac(Scheme):
    """A scheme that follows a recipe: subclasses add a name, defaults and a handshake."""

    def __init__(self, secrets: Sequence[bytes], recipe: Recipe) -> None:
        """Raise OptionInvalid if `signed` has an unknown part, or lacks one that it needs."""
        self._secrets = secrets
        self._recipe = recipe
        self._template = _parse(recipe)

    def verify(self, incoming: Incoming, now: Wall) -> None:
        """Check the signature over the template, then the timestamp if the recipe has one."""
        recipe = self._recipe
        value = header(incoming, recipe.header)
        if not value.startswith(recipe.prefix):
            raise NotVerified(f"{recipe.header} does not start with {recipe.prefix}")
        received = _decode(value[len(recipe.prefix) :], recipe.encoding)
        timestamp = header(incoming, recipe.timestamp_header) if recipe.timestamp_header else ""
        message_id = header(incoming, recipe.id_header) if recipe.id_header else ""
        message = self._message(message_id, timestamp, incoming.method, incoming.raw)
        expected = (hmac.digest(secret, message, recipe.hash) for secret in self._secrets)
        if not matches_any(expected, [received]):
            raise NotVerified("the signature does not match")
        if recipe.timestamp_header:
            check_age(seconds(timestamp), now, recipe.tolerance)

    def sign(self, body: bytes, message_id: str, now: Wall) -> Signed:
        """Sign a POST with the first secret."""
        recipe = self._recipe
        timestamp = str(int(now)) if recipe.timestamp_header else ""
        message = self._message(message_id, timestamp, "POST", body)
        digest = hmac.digest(self._secrets[0], message, recipe.hash)
        text = digest.hex() if recipe.encoding == "hex" else base64.b64encode(digest).decode()
        headers = {recipe.header: recipe.prefix + text}
        if recipe.timestamp_header:
            headers[recipe.timestamp_header] = timestamp
        if recipe.id_header:
            headers[recipe.id_header] = message_id
        return Signed(headers)

    def _message(self, message_id: str, timestamp: str, method: str, body: bytes) -> bytes:
        if self._template == ("{body}",):
            return body
        values = {
            "{id}": message_id.encode("utf-8", "surrogateescape"),
            "{timestamp}": timestamp.encode("utf-8", "surrogateescape"),
            "{method}": method.encode(),
            "{url}": self._recipe.url.encode(),
            "{body}": body,
        }
        return b"".join(values.get(part, part.encode()) for part in self._template)


def _parse(recipe: Recipe) -> tuple[str, ...]:
    """Return the template's parts, placeholders with their braces; raise OptionInvalid."""
    parts = tuple(part for part in re.split(r"(\{[a-z]+\})", recipe.signed) if part)
    names = set(_PLACEHOLDER.findall(recipe.signed))
    if unknown := names - PLACEHOLDERS:
        known = " ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
        raise OptionInvalid("signed", f"{{{min(unknown)}}} is not known; there are {known}")
    # A part that is not signed can be exchanged: an old request would pass under a new time.
    if recipe.timestamp_header and "timestamp" not in names:
        raise OptionInvalid(
            "signed", "must contain {timestamp}, or the timestamp could be exchanged"
        )
    if "body" not in names:
        raise OptionInvalid("signed", "must contain {body}, or the body could be exchanged")
    for name, value in (
        ("timestamp", recipe.timestamp_header),
        ("id", recipe.id_header),
        ("url", recipe.url),
    ):
        if name in names and not value:
            raise OptionInvalid("signed", f"names {{{name}}}, but `{name}` is not given beside it")
    return parts


def _decode(text: str, encoding: Encoding) -> bytes:
    """Return the signature's bytes, or b"", which no digest equals, if it is malformed."""
    try:
        if encoding == "hex":
            # bytes.fromhex() skips spaces: two texts would be one signature.
            return bytes.fromhex(text) if text.isalnum() else b""
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
