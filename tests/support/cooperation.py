"""Events of the cooperation programmes for tests: the examples, the first year, any others."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from routes.cooperation.payload import AnyEvent, CooperationEvent
from tests.support.site import REPOSITORY

FOLDER = REPOSITORY / "routes" / "cooperation"
EXAMPLES = {
    path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "examples").glob("*.json"))
}
SAMPLES = sorted((FOLDER / "samples").glob("*.json"))
COAST = ("quang-ngai", "binh-dinh", "phu-yen", "khanh-hoa", "ninh-thuan", "binh-thuan")
_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(CooperationEvent)


def read(body: Any) -> AnyEvent:
    """Return the event that a body is; raise ValidationError if it is none."""
    return _ADAPTER.validate_json(body if isinstance(body, bytes) else json.dumps(body))


def faults(body: Any) -> dict[str, str]:
    """Return the faults of a body, by the member that each is in; empty if it is an event."""
    try:
        read(body)
    except ValidationError as error:
        return {".".join(map(str, one["loc"][1:])): one["msg"] for one in error.errors()}
    return {}


def first_year() -> list[dict[str, Any]]:
    """Return the bodies of the samples that are not refused."""
    return [sample(path)["body"] for path in SAMPLES if not path.name.startswith("refused-")]


def sample(path: Path) -> dict[str, Any]:
    """Return a sample."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def exported(bodies: list[dict[str, Any]]) -> str:
    """Return bodies as the lines of an export."""
    return "".join(
        json.dumps({"route": "cooperation", "body": body}, ensure_ascii=False) + "\n"
        for body in bodies
    )
