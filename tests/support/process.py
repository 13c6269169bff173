"""The relay and its commands as processes of their own, so that they can be killed."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.site import Site
from tests.support.waiting import DEADLINE

RELAY = Path(sys.executable).with_name("relay")
_CONSOLE = re.compile(rb"console +(http://\S+)/\n")
_INCOMING = re.compile(rb"POST (http://[^/\s]+)/")


@dataclass(frozen=True, slots=True)
class Ran:
    """A command's output and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


async def run(*arguments: str, cwd: Path, stdin: bytes = b"", program: str = str(RELAY)) -> Ran:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, cwd=cwd, env=_environment({}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(2 * DEADLINE):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise AssertionError(f"{arguments} did not end in {2 * DEADLINE:.0f} s") from None
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


class RelayProcess:
    """`relay run` on a site; what it logs stands in `log`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.public = ""
        self.admin = ""

    @classmethod
    async def start(
        cls, site: Site, environment: Mapping[str, str] | None = None, *options: str
    ) -> "RelayProcess":
        """Start it, and return once it has printed where it listens."""
        log = site.root / "relay.log"
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                RELAY, "run", "--config", str(site.config), *options, cwd=site.root,
                env=_environment(environment or {}),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        started = cls(process, log)
        try:
            await started._read_greeting()
        except BaseException:
            await started.kill()
            raise
        return started

    async def _read_greeting(self) -> None:
        assert self._process.stdout is not None
        greeting = b""
        async with asyncio.timeout(DEADLINE):
            while not (
                (console := _CONSOLE.search(greeting)) and (incoming := _INCOMING.search(greeting))
            ):
                line = await self._process.stdout.readline()
                if not line:
                    raise AssertionError(
                        f"the relay ended instead of starting: {greeting!r} {self._log.read_text()}"
                    )
                greeting += line
        self.admin, self.public = console[1].decode(), incoming[1].decode()

    @property
    def log(self) -> str:
        """Everything that it and those before it on the same site wrote to standard error."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as a power cut would, by SIGKILL."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.communicate()

    async def terminate(self) -> int:
        """Ask it to stop by SIGTERM, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it ends, and return its exit code."""
        async with asyncio.timeout(DEADLINE):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode


StartProcess = Callable[..., Awaitable[RelayProcess]]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RELAY_", "COLUMNS"))
    }
    return {**kept, **more}
