"""The start imports what it needs, and no more: what it takes is counted, not timed."""

import json
import os
import pty
import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "structlog", "uvloop"}
RARE = {"jinja2", "jsonschema", "watchfiles"}  # for the console, for JSON Schemas, for --watch
_PROGRAM = """
import json, sys
from relay.cli import main
sys.argv = ["relay", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(json.dumps(list(sys.modules)))
"""


def imported(*arguments: str) -> set[str]:
    """Return what is imported once a command has run."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], check=True, capture_output=True, text=True
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    "arguments", [["version"], ["--help"], ["--", "version"], ["no-such-command"]]
)
def test_small_commands_import_nothing_large(arguments: list[str]) -> None:
    assert not imported(*arguments) & (HEAVY | RARE)


def test_run_imports_nothing_that_it_may_not_need() -> None:
    found = imported("run", "--help")
    assert found >= HEAVY
    assert not found & RARE


_RAISES = """
from relay.cli import log
import structlog
log.to_stderr()
def fail(password):
    raise ValueError("no")
try:
    fail("hush" + "-hush")
except ValueError:
    structlog.get_logger("relay").exception("failed")
"""


@pytest.mark.parametrize("terminal", [False, True])
def test_traceback_in_the_log_shows_no_local_variables(*, terminal: bool) -> None:
    """A traceback shows no local variables, as secrets may be among them.

    structlog would show them to a person at a terminal, where rich is installed.
    """
    reader, writer = pty.openpty() if terminal else os.pipe()
    subprocess.run([sys.executable, "-c", _RAISES], check=True, stderr=writer)
    logged = os.read(reader, 1 << 16).decode()
    os.close(writer)
    os.close(reader)
    assert "ValueError: no" in logged
    assert "hush-hush" not in logged
