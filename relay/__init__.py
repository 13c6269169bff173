"""A webhook relay that loses nothing. A route folder needs only these two names."""

from relay.event import Event, Request

__all__ = ["Event", "Request", "__version__"]
__version__ = "0.1.0"
