"""A route's own code that loops, raises or exits harms only what it was called for."""

import pytest

from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target

LOOPS = "def change(event):\n    while True:\n        pass\n"
MODEL = """
from pydantic import BaseModel, field_validator


class Order(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def check(cls, n):
        while n == 13:
            pass
        if n == 14:
            raise SystemExit(1)
        return n
"""


async def test_transform_that_never_ends_kills_its_own_delivery_alone(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Dead with `transform_failed` and the limit in its detail; other forwards and events are delivered."""
    site.configure({"a": {"url": target.url}, "b": {"url": target.url}})
    forwards = [{"to": "a", "transform": "t.py:change"}, {"to": "b"}]
    site.route("one", {"limits": {"time": "50ms"}, "forward": forwards}, {"t.py": LOOPS})
    relay = await start_relay(site)
    ids = [await relay.accepted("one", {"n": n}) for n in range(3)]
    for event_id in ids:
        dead = await relay.fate(event_id, "a")
        assert (dead["state"], dead["reason"]) == ("dead", "transform_failed")
        assert "50" in dead["detail"] or "0.05" in dead["detail"]
        assert (await relay.fate(event_id, "b"))["state"] == "delivered"


@pytest.mark.parametrize("n", [13, 14])
async def test_model_that_never_ends_or_exits_refuses_its_own_request_alone(
    site: Site, start_relay: StartRelay, target: Target, n: int
) -> None:
    """422, and the relay answers the next request."""
    site.configure({"a": {"url": target.url}})
    content = {"limits": {"time": "50ms"}, "payload": {"model": "m.py:Order"}, "forward": [{"to": "a"}]}
    site.route("one", content, {"m.py": MODEL})
    relay = await start_relay(site)
    answer = await relay.post("one", {"n": n})
    assert (answer.status, answer.json["reason"]) == (422, "invalid")
    await relay.accepted("one", {"n": 1})
    await target.wait_for(1)
