"""The options of every kind of target: closed, described, and compared by what they say."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter

from relay.config.models import TargetsFile
from relay.delivery.retry import next_wait
from relay.errors import ConfigInvalid
from relay.targets.kinds import KINDS
from tests.contract.targets.case import Case
from tests.contract.targets.conftest import CASES, NAME, Configure


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and all models in it."""
    yield model
    for info in model.model_fields.values():
        for part in parts(info.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from models(part)


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from parts(part)


def test_every_kind_has_a_case() -> None:
    """A kind of target that this suite does not know is none that anybody can trust."""
    assert {case.key for case in CASES.values()} == KINDS.keys()


def test_kind_stands_in_the_module_that_its_case_names(case: Case) -> None:
    """One file a kind: its options are its module's own."""
    assert KINDS[case.key].options.__module__ == f"relay.targets.{case.module}"


def test_section_is_known_by_its_key(case: Case, configure: Configure) -> None:
    """The section needs the kind's key, and becomes settings of that kind under its own name."""
    assert KINDS[case.key].options.model_fields[case.key].is_required()
    settings = configure(case.options())
    assert settings.name == settings.lane.target == NAME
    assert type(settings).__module__ == f"relay.targets.{case.module}"


def test_schema_has_the_kind(case: Case) -> None:
    """`relay schema targets` completes the kind's options in an editor."""
    schema = TypeAdapter(TargetsFile).json_schema()
    name = KINDS[case.key].options.__name__
    assert {"$ref": f"#/$defs/{name}"} in schema["additionalProperties"]["oneOf"]
    assert case.key in schema["$defs"][name]["required"]


def test_every_option_is_described(case: Case) -> None:
    """Each option of the kind, however deep, has a sentence for the reference."""
    for model in models(KINDS[case.key].options):
        assert model.__doc__, model
        for name, info in model.model_fields.items():
            text = info.description or ""
            assert text.endswith("."), f"{model.__name__}.{name}"
            assert text[0].isupper(), f"{model.__name__}.{name}"


def test_models_are_closed_and_frozen(case: Case) -> None:
    """No option, however deep, takes a key that it does not know, nor changes afterwards."""
    for model in models(KINDS[case.key].options):
        assert model.model_config.get("extra") == "forbid", model
        assert model.model_config.get("frozen") is True, model


def test_unknown_key_is_refused(case: Case, configure: Configure) -> None:
    """A key that the kind does not have is told with its place, and nothing else is."""
    with pytest.raises(ConfigInvalid) as caught:
        configure({**case.options(), "unknown_option": 1})
    (problem,) = caught.value.problems
    assert problem.message == f"targets.{NAME}.unknown_option: unknown key"


def test_retry_is_the_lanes_policy(case: Case, configure: Configure) -> None:
    """Every kind takes `retry`, and its lane keeps to it."""
    lane = configure({**case.options(), "retry": {"schedule": ["2h"], "jitter": 0}}).lane
    assert next_wait(lane.policy, 1, 0.0, 0.5) == 7200.0
    assert next_wait(lane.policy, 2, 0.0, 0.5) is None
    assert lane.longest_wait == 7200.0
    assert lane.concurrency >= 1
    assert lane.partitions >= 1


def test_same_section_gives_equal_settings(case: Case, configure: Configure) -> None:
    """A reload of unchanged files finds nothing changed, and keeps connections."""
    assert configure(case.options()) == configure(case.options())


def test_every_change_is_noticed(case: Case, configure: Configure) -> None:
    """A change of any one option gives other settings: every option has a change here."""
    options = case.options()
    settings = configure(options)
    changed: set[str] = set()
    for change in case.changes:
        assert configure({**options, **change}) != settings, change
        changed |= change.keys()
    assert changed == KINDS[case.key].options.model_fields.keys()


def test_changed_secret_is_noticed(
    case: Case, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference that leads to another secret than before gives other settings."""
    settings = configure(case.options())
    for name, value in case.secrets.items():
        changed = value[:-4] + ("AAA=" if value.endswith("=") else "next")
        monkeypatch.setenv(name, changed)
        assert configure(case.options()) != settings, name
        monkeypatch.setenv(name, value)
    assert configure(case.options()) == settings
