"""The admin listener: metrics, health, API, console. Never reachable through the public one."""

from relay.admin.listener import build, refuse
from relay.admin.state import AdminState

__all__ = ["AdminState", "build", "refuse"]
