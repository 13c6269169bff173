"""Files to models to what runs: `load` reads everything and reports everything that is wrong at once."""

from relay.config.load import Loaded, load
from relay.config.models import (
    FeedTarget,
    FileTarget,
    HttpTarget,
    RelayFile,
    RouteFile,
    Target,
)
from relay.fields.secret import Secret, SecretsMode

__all__ = [
    "FeedTarget",
    "FileTarget",
    "HttpTarget",
    "Loaded",
    "RelayFile",
    "RouteFile",
    "Secret",
    "SecretsMode",
    "Target",
    "load",
]
