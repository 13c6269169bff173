"""The preloaded disk (`disk.c`), compiled for a test."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("disk.c")


class Disk:
    """A library for a relay's environment that counts syncs, and the switch for their faults."""

    def __init__(self, folder: Path) -> None:
        """Compile it in `folder`."""
        self.log = folder / "syncs"
        self.shadow = folder / "shadow"
        self.shadow.mkdir()
        self._fault = folder / "fault"
        library = folder / "disk.so"
        command = [
            "cc",
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Werror",
            "-o",
            str(library),
            str(SOURCE),
            "-ldl",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.environment = {"LD_PRELOAD": str(library), "DISK_FAULT": str(self._fault)}

    @property
    def counting(self) -> dict[str, str]:
        """The environment, with a log of syncs."""
        return {**self.environment, "SYNC_LOG": str(self.log)}

    @property
    def shadowing(self) -> dict[str, str]:
        """The environment, with a copy of each file as it was last synced."""
        return {**self.environment, "SYNC_SHADOW": str(self.shadow)}

    @property
    def syncs(self) -> int:
        """How many syncs of a WAL succeeded."""
        return self.log.stat().st_size if self.log.exists() else 0

    def fail(self, how: str) -> None:
        """Fail so from now on, such as `write ENOSPC`."""
        self._fault.write_text(how)

    def mend(self) -> None:
        """Work again."""
        self._fault.unlink(missing_ok=True)
