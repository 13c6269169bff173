"""Files to models to what runs: `load` reads everything and reports everything that is wrong at once."""

from relay.config.load import Loaded, load
from relay.config.models import RelayFile, RouteFile
from relay.fields.secret import Secret, SecretsMode

__all__ = [
    "Loaded",
    "RelayFile",
    "RouteFile",
    "Secret",
    "SecretsMode",
    "load",
]
