"""Files to models to a relay's parts: `load` reads everything and reports all problems at once."""

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
