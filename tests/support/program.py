"""Other people's programs, started for real on loopback: Prometheus, Alertmanager."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.waiting import DEADLINE, until

_LISTENING = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')


@asynccontextmanager
async def listening(*command: str, cwd: Path) -> AsyncIterator[str]:
    """Run a program that logs as Prometheus' programs do; yield its base URL, end it afterwards."""
    log = cwd / "program.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file
        )

    async def address() -> str:
        lines = log.read_text()
        assert process.returncode is None, lines
        match = _LISTENING.search(lines)
        return match[1] if match else ""

    try:
        yield f"http://{await until(address, f'{command[0]} to listen')}"
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(DEADLINE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
