"""The start imports what it needs, and no more: what it takes is counted, not timed."""

import json
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


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["--", "version"], ["no-such-command"]])
def test_small_commands_import_nothing_large(arguments: list[str]) -> None:
    assert not imported(*arguments) & (HEAVY | RARE)


def test_run_imports_nothing_that_it_may_not_need() -> None:
    found = imported("run", "--help")
    assert found >= HEAVY
    assert not found & RARE


def test_log_needs_no_rich() -> None:
    """Structlog imports it if it can; what it would show of local variables may be secret, too."""
    program = "import relay.cli.run, sys; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
