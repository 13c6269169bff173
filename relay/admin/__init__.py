"""The admin listener: metrics, health, API, console. Never reachable through the public one."""

from relay.admin.listener import AdminState, build

__all__ = ["AdminState", "build"]
