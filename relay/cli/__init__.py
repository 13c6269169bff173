"""The command `relay`. Exit codes: 0 well, 1 failed, 2 used wrongly."""

from relay.cli.commands import main

__all__ = ["main"]
