"""Routes and events for the tests of this folder."""

from collections.abc import Mapping
from typing import Any

from relay import Event
from relay.clock import Wall
from relay.errors import Rejected, RequestReason
from relay.routing.route import Forward, Route
from relay.verify import Scheme
from relay.verify.none import Unverified

NOW = Wall(1_700_000_000.0)


class NeedsName:
    """A validator that wants a name."""

    def validate(self, raw: bytes, value: Any) -> Any:
        if not isinstance(value, dict) or "name" not in value:
            raise Rejected(
                RequestReason.INVALID,
                "the body is not what this route takes",
                where=(("name", "is missing"),),
            )
        return {"checked": value["name"]}


def route(*forwards: Forward, scheme: Scheme | None = None, **more: Any) -> Route:
    """Return a route, with one sender unless `schemes` names others."""
    fields: dict[str, Any] = {"forwards": forwards, "schemes": {"": scheme or Unverified()}} | more
    return Route(name="hello", path="/in/hello", **fields)


def event(raw: bytes = b"{}", headers: Mapping[str, str] | None = None, **more: Any) -> Event:
    """Return an event of the route."""
    facts: dict[str, Any] = {"type": "push", "key": "k", "dedupe_id": "d", "sender": ""} | more
    return Event(
        seq=1,
        id="evt_1",
        route="hello",
        received_at=NOW,
        headers=headers or {},
        query={"q": "1"},
        raw=raw,
        **facts,
    )
