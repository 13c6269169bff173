"""A route's JSON Schema: bodies that it takes and refuses, within a time."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.code.folder import CodeInvalid
from relay.code.invalid import MOST_FAULTS
from relay.errors import Rejected, RequestReason
from relay.routing.route import Validator

NUMBERS = {"type": "array", "items": {"type": "integer"}}


def validator(folder: Path, schema: Any, seconds: float = 1.0) -> Validator:
    from relay.code.schema import SchemaValidator

    path = folder / "payload.schema.json"
    path.write_text(json.dumps(schema))
    return SchemaValidator(path, seconds)


def refusal(validator: Validator, value: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        validator.validate(json.dumps(value).encode(), value)
    assert caught.value.reason is RequestReason.INVALID
    return caught.value


def test_body_that_fits_is_given_as_it_is(tmp_path: Path) -> None:
    value = [1, 2]
    assert validator(tmp_path, NUMBERS).validate(b"[1,2]", value) is value


def test_refusal_tells_the_places_with_dots(tmp_path: Path) -> None:
    """Keys and indexes down to the fault; the body's own place is ''."""
    schema = {"properties": {"items": NUMBERS}, "required": ["items"]}
    places = refusal(validator(tmp_path, schema), {"items": [1, "x"]}).where
    assert [place for place, _ in places] == ["items.1"]
    assert [place for place, _ in refusal(validator(tmp_path, schema), {}).where] == [""]


def test_refusal_lists_the_first_faults_and_their_beginnings(tmp_path: Path) -> None:
    """A body of nothing but faults does not come back as an answer many times its size."""
    places = refusal(validator(tmp_path, NUMBERS), ["x" * 10_000] * 100).where
    assert len(places) == MOST_FAULTS
    assert max(len(fault) for _, fault in places) == 200


def test_check_that_takes_too_long_refuses_the_body(tmp_path: Path) -> None:
    """A pattern that backtracks holds nobody else up."""
    slow = validator(tmp_path, {"pattern": "^(a+)+$"}, seconds=0.05)
    assert refusal(slow, "a" * 64 + "b").detail == "the body can't be checked in time"


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "nonsense"}, "is not a JSON Schema"),
        ({"$ref": "https://example.org/other"}, "refers to https://example.org/other"),
        ({"items": [{"$ref": "#/nowhere"}]}, "is not a JSON Schema"),
        ({"allOf": [{"$ref": "#/nowhere"}]}, "refers to #/nowhere"),
    ],
)
def test_schema_that_can_not_be_used_names_its_fault(
    tmp_path: Path, schema: Any, fault: str
) -> None:
    """Nothing is fetched: a schema refers to itself alone."""
    with pytest.raises(CodeInvalid, match=fault):
        validator(tmp_path, schema)
