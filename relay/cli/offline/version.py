"""`relay version`: what runs, without importing any of it."""

import json
import platform
from typing import Annotated

import typer
from pysqlite3 import dbapi2

import relay


def version(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the versions of the relay and of what it stands on."""
    versions = {
        "relay": relay.__version__,
        "python": platform.python_version(),
        "sqlite": dbapi2.sqlite_version,
    }
    if as_json:
        print(json.dumps(versions, indent=2))
    else:
        print("  ".join(f"{name} {text}" for name, text in versions.items()))
