"""The admin listener: metrics, health, API, console. Never reachable through the public one."""

from relay.admin.listener import AdminState, build, refuse

__all__ = ["AdminState", "build", "refuse"]
