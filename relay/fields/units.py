"""Durations (`250ms`), sizes (`64KiB`), rates (`50/s`) and ranges (`10.0.0.0/8`) to values."""

import ipaddress
import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from relay.delivery.rate import Rate
from relay.http.egress import Network

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,12})?)"
_DURATION = re.compile(rf"{_NUMBER}(ms|s|m|h|d)")
_RATE = re.compile(rf"{_NUMBER}/(s|m|h)")
_SIZE = re.compile(rf"{_NUMBER}(B|KiB|MiB|GiB)")


def parse_duration(value: Any) -> float:
    """Return seconds; raise with the remedy for anything but a number and its unit."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise fault(
            f"{value!r} is not a duration", "write a number and ms, s, m, h or d, such as 30s"
        )
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(value: Any) -> int:
    """Return bytes; raise with the remedy for anything but a number and its unit."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise fault(
            f"{value!r} is not a size", "write a number and B, KiB, MiB or GiB, such as 1MiB"
        )
    return int(float(match[1]) * _BYTES[match[2]])


def fault(message: str, remedy: str) -> PydanticCustomError:
    """Return an error for a validator to raise, whose remedy `relay check` prints."""
    return PydanticCustomError("relay", "{message}", {"message": message, "remedy": remedy})


def parse_retention(value: Any) -> float:
    """Return seconds, or infinity for `forever`."""
    return math.inf if value == "forever" else parse_duration(value)


def parse_rate(value: Any) -> Rate:
    """Return the rate; raise with the remedy for anything but a count, a slash and s, m or h."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) <= 0:
        raise fault(
            f"{value!r} is not a rate", "write a number, a slash and s, m or h, such as 50/s"
        )
    return Rate(float(match[1]), _SECONDS[match[2]])


def parse_range(value: Any) -> Network:
    """Return the range of addresses; raise with the remedy for anything else."""
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise fault(
            f"{value!r} is not a range of addresses", f"write it such as 10.20.0.0/16 ({error})"
        ) from None


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["250ms", "30s", "7d"]}
    ),
]
Kept = Annotated[
    float,
    BeforeValidator(parse_retention),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^({_DURATION.pattern}|forever)$",
            "examples": ["7d", "forever"],
        }
    ),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["64KiB", "1MiB"]}
    ),
]
Range = Annotated[
    Any,
    BeforeValidator(parse_range),
    WithJsonSchema({"type": "string", "examples": ["10.20.0.0/16", "2001:db8::/32"]}),
]
PerTime = Annotated[
    Any,
    BeforeValidator(parse_rate),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["50/s", "600/m"]}
    ),
]
