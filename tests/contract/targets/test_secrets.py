"""No kind of target shows a secret, whatever goes wrong."""

import json

import pytest
from structlog.testing import capture_logs

from relay.targets.target import TargetSettings
from tests.contract.targets.attempts import attempt
from tests.contract.targets.case import Case, Options
from tests.contract.targets.conftest import CASES, Configure, Open


def literal(case: Case, section: Options) -> Options:
    """Return a section with the secrets themselves where references stood."""
    text = json.dumps(section)
    for name, value in case.secrets.items():
        assert f"env:{name}" in text, f"the case's options name no env:{name}"
        text = text.replace(f"env:{name}", value)
    read: Options = json.loads(text)
    return read


def shown(settings: TargetSettings) -> str:
    return f"{settings!r} {settings!s} {settings.lane!r}"


@pytest.mark.parametrize(
    "case", [name for name, case in CASES.items() if case.secrets], indirect=True
)
async def test_no_secret_is_shown(
    case: Case,
    configure: Configure,
    open_target: Open,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No repr of settings, targets and attempts, and no log of deliveries that arrive or fail."""
    texts = [shown(configure(literal(case, case.options())))]
    with capture_logs() as events:
        await case.fail()
        texts.append(repr(await attempt(open_target(configure(case.options())), case)))
        await case.mend()
        for section in (case.options(), *case.broken().values()):
            settings = configure(section)
            target = open_target(settings)
            texts += [shown(settings), repr(target), repr(await attempt(target, case))]
    captured = capfd.readouterr()
    everything = "\n".join([*texts, repr(events), caplog.text, captured.out, captured.err])
    for name, value in case.secrets.items():
        for form in (value, value.removeprefix("whsec_"), repr(value.encode())[2:-1]):
            assert form not in everything, name
