"""Fields that the files' models share: names, headers, addresses."""

import re
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

from relay.fields.units import Duration, fault
from relay.http.headers import FRAMING

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})")
PORTS = 65535
_BAD_VALUE = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]"
)  # the last stand for bytes that are no text


class Model(BaseModel):
    """Frozen, and closed to unknown keys.

    Only the models of whole files are built, with all models inside them: building each for itself
    would double the time of it. For the same reason a default is constructed, not validated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


def is_name(text: str) -> bool:
    """Tell whether `text` may name a route or a target."""
    return _NAME.fullmatch(text) is not None


def name(value: str) -> str:
    """Return what may name something, or raise with the remedy."""
    if not is_name(value):
        raise fault(
            f"{value!r} can't be a name", "use letters, digits, dots, dashes and underscores"
        )
    return value


def header_name(value: str) -> str:
    """Return a header's name in lower case, or raise with the remedy."""
    if not _HEADER.fullmatch(value):
        raise fault(f"{value!r} can't be a header's name", "use letters, digits and dashes")
    return value.lower()


def own_header(value: str) -> str:
    """Return the name of a header that a config may set in lower case, or raise with the remedy."""
    lowered = header_name(value)
    if lowered in FRAMING or lowered.startswith("proxy-"):
        raise fault(f"{lowered} is not yours to set", "remove it; the relay frames what it sends")
    return lowered


def is_header_value(text: str) -> bool:
    """Tell whether a header may say `text`."""
    return _BAD_VALUE.search(text) is None


def own_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return headers under lower-case names; raise for those that frame a message."""
    return {own_header(name): text for name, text in headers.items()}


def listen_address(value: str) -> str:
    """Return HOST:PORT as it was given, or raise with the remedy."""
    match = _LISTEN.fullmatch(value)
    if match is None or int(match[2]) > PORTS:
        raise fault(
            f"{value!r} is not an address to listen on", "write HOST:PORT, such as 127.0.0.1:8080"
        )
    return value


Name = Annotated[str, AfterValidator(name)]
Positive = Annotated[Duration, Field(gt=0)]
Secrets = Annotated[list[str], Field(min_length=1)]
