"""Each test of the suite runs once over each kind of target, configured by a real file."""

import importlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from relay.config import SecretsMode, load
from relay.targets.target import Target, TargetSettings
from tests.contract.targets.case import Case

Configure = Callable[[Mapping[str, Any]], TargetSettings]
Open = Callable[[TargetSettings], Target]
NAME = "hook"

for file in sorted(Path(__file__).parent.glob("case_*.py")):
    importlib.import_module(f"tests.contract.targets.{file.stem}")
CASES = {case.module: case for case in Case.__subclasses__()}


@pytest.fixture(params=CASES)
async def case(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Case]:
    """Return a kind of target whose other side has started, its secrets in the environment."""
    case = CASES[request.param](tmp_path)
    for name, value in case.secrets.items():
        monkeypatch.setenv(name, value)
    await case.start()
    yield case
    await case.stop()


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Return what loads a configuration with one target; its section is options as plain values."""
    (tmp_path / "routes").mkdir()

    def configure(section: Mapping[str, Any]) -> TargetSettings:
        file = tmp_path / "relay.yaml"
        options = {key: value for key, value in section.items() if value is not None}
        content = {"state": "var", "routes": "routes", "targets": {NAME: options}}
        file.write_text(json.dumps(content, indent=1), "utf-8")
        return load(file, SecretsMode.PRETEND).targets[NAME]

    return configure


@pytest.fixture
async def open_target() -> AsyncIterator[Open]:
    """Return what opens a target; all of them are closed after the test."""
    opened: list[Target] = []

    def open_target(settings: TargetSettings) -> Target:
        opened.append(settings.open())
        return opened[-1]

    yield open_target
    for target in opened:
        await target.close()
