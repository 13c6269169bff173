"""A real Chromium, without a head, that opens files and dials nobody."""

import asyncio
import os
from pathlib import Path

from tests.support.process import run
from tests.support.waiting import DEADLINE

_ALONE = (
    "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


async def screenshot(page: Path, to: Path, width: int, height: int) -> tuple[int, int]:
    """Show a page on a screen, and return the width and height of the picture in `to`, a PNG."""
    await _open(page, to.parent, f"--window-size={width},{height}", f"--screenshot={to}")
    return _size(to)


async def printed(page: Path, to: Path) -> str:
    """Print a page into `to`, a PDF, and return the text that a reader of it finds."""
    await _open(page, to.parent, "--no-pdf-header-footer", f"--print-to-pdf={to}")
    return (await run(str(to), "-", cwd=to.parent, program="pdftotext")).out


def _size(png: Path) -> tuple[int, int]:
    head = png.read_bytes()[:24]  # the first chunk begins with width and height
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


async def _open(page: Path, folder: Path, *options: str) -> None:
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium has none for root
    profile = f"--user-data-dir={folder / 'chromium'}"
    process = await asyncio.create_subprocess_exec(
        "chromium", *_ALONE, *sandbox, profile, *options, page.as_uri(),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(3 * DEADLINE):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise AssertionError(f"Chromium did not end in {3 * DEADLINE:.0f} s") from None
    assert process.returncode == 0, said.decode()
