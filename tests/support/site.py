"""The files of a relay under test, in a folder of its own: `config/`, `routes/` and `var/`."""

import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


class Site:
    """Writes a configuration and route folders; what it writes is JSON, which is YAML too.

    Both listeners take a free port unless told otherwise, and a stopping relay waits only shortly,
    so that a test with a hanging target ends.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config" / "relay.yaml"
        self.var = root / "var"
        self.routes = root / "routes"
        self.config.parent.mkdir(parents=True)
        self.routes.mkdir()

    def configure(self, targets: Mapping[str, Any], **settings: Any) -> None:
        """Write `relay.yaml`."""
        limits = {"shutdown": "500ms", **settings.pop("limits", {})}
        content = {
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "state": "../var",
            "store": "sqlite:../var/relay.db",
            "routes": "../routes",
            "targets": targets,
            "limits": limits,
            **settings,
        }
        self.config.write_text(json.dumps(content, indent=1))

    def route(
        self, name: str, content: Mapping[str, Any], files: Mapping[str, str] | None = None
    ) -> None:
        """Write a route folder; without `verify` it believes anyone."""
        folder = self.routes / name
        folder.mkdir()
        (folder / "route.yaml").write_text(
            json.dumps({"verify": {"scheme": "none"}, **content}, indent=1)
        )
        for file, text in (files or {}).items():
            (folder / file).write_text(text)

    def shipped_route(self, name: str) -> None:
        """Copy a route folder of this repository, as it is."""
        shutil.copytree(
            REPOSITORY / "routes" / name,
            self.routes / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def secret(self, name: str) -> str:
        """Return a managed secret that the relay has made."""
        return (self.var / "secrets" / name).read_text()


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free just now, for programs that can't take port 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
