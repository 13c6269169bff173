"""Installs other people's systems at pinned versions into a folder of the bench's own."""

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

_PEERS = Path(__file__).with_name("peers")
_PYTHON = frozenset({"arq", "celery"})


def install(folder: Path, wanted: Collection[str]) -> Path:
    """Install the wanted systems that are not there at these versions; return the folder."""
    folder.mkdir(exist_ok=True)
    pip = str(folder / "bin/pip")
    if _PYTHON & set(wanted):
        requirements = str(_PEERS / "requirements.txt")
        venv = (sys.executable, "-m", "venv", str(folder))
        _once(
            folder,
            "requirements.txt",
            venv,
            (pip, "install", "--quiet", "--disable-pip-version-check", "-r", requirements),
        )
    if "node-red" in wanted:
        shutil.copy(_PEERS / "package.json", folder)
        quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--silent")
        _once(folder, "package.json", ("npm", "install", "--prefix", str(folder), *quiet))
    return folder


def _once(folder: Path, name: str, *commands: tuple[str, ...]) -> None:
    """Run commands, unless they have succeeded before for these very pins."""
    pins, done = _PEERS / name, folder / f"installed-{name}"
    if done.exists() and done.read_bytes() == pins.read_bytes():
        return
    print(f"installing tests/bench/peers/{name}", file=sys.stderr)
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(pins, done)
