"""A route's own code that loops, raises or exits harms only what it was called for."""

import json

import pytest

from tests.support.client import Client
from tests.support.process import StartProcess
from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target

pytestmark = pytest.mark.fault(31)

LOOPS = "def change(event):\n    while True:\n        pass\n"
MODEL = """
from asyncio import CancelledError

from pydantic import BaseModel, field_validator

RAISED = {
    14: SystemExit(1),
    15: KeyboardInterrupt(),
    16: CancelledError(),
    17: GeneratorExit(),
    18: BaseException(),
}


class Order(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def check(cls, n):
        while n == 13:
            pass
        if n in RAISED:
            raise RAISED[n]
        return n
"""


async def test_transform_that_never_ends_kills_its_own_delivery_alone(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """An endless transform's delivery dies with `transform_failed` and the limit in its detail.

    Other forwards and events are delivered.
    """
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


@pytest.mark.parametrize("n", range(13, 19))
async def test_model_that_never_ends_or_exits_refuses_its_own_request_alone(
    site: Site, start_relay: StartRelay, target: Target, n: int
) -> None:
    """422, and the relay answers the next request."""
    site.configure({"a": {"url": target.url}})
    content = {
        "limits": {"time": "50ms"},
        "payload": {"model": "m.py:Order"},
        "forward": [{"to": "a"}],
    }
    site.route("one", content, {"m.py": MODEL})
    relay = await start_relay(site)
    answer = await relay.post("one", {"n": n})
    assert (answer.status, answer.json["reason"]) == (422, "invalid")
    await relay.accepted("one", {"n": 1})
    await target.wait_for(1)


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"properties": {"t": {"pattern": "^(a+)+$"}}}, {"t": "a" * 40 + "b"}),
        ({"properties": {"t": {"uniqueItems": True}}}, {"t": [{"n": n} for n in range(5000)]}),
    ],
    ids=["backtracking-pattern", "quadratic-comparison"],
)
async def test_schema_that_takes_forever_refuses_its_own_request_alone(
    site: Site, start_relay: StartRelay, target: Target, schema: object, body: object
) -> None:
    """A body made to keep a schema busy is answered 422 once the route's time is over."""
    site.configure({"a": {"url": target.url}})
    content = {
        "limits": {"time": "50ms"},
        "payload": {"schema": "s.json"},
        "forward": [{"to": "a"}],
    }
    site.route("one", content, {"s.json": json.dumps(schema)})
    relay = await start_relay(site)
    answer = await relay.post("one", body)
    assert (answer.status, answer.json["reason"]) == (422, "invalid")
    await relay.accepted("one", {"t": []})
    await target.wait_for(1)


async def test_expression_over_its_budget_is_an_error_of_its_forward_alone(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """CEL's own budget of iterations ends an expression, counted as an error of its forward.

    The other forward delivers.
    """
    site.configure({"a": {"url": target.url}, "b": {"url": target.url}})
    when = "body.items.exists(x, body.items.exists(y, x == y + 100000))"
    site.route("one", {"forward": [{"to": "a", "when": when}, {"to": "b"}]})
    relay = await start_relay(site)
    answer = await relay.post("one", {"items": list(range(3000))})
    assert (answer.status, answer.json["deliveries"]) == (202, 1)
    assert await relay.value("relay_forwards_total", route="one", target="a", outcome="error") == 1
    await target.wait_for(1)


@pytest.mark.parametrize(
    "returned",
    ["object()", "{1, 2}", "{'a': object()}", "float('nan')", "'\\ud800'", "[[]] * 3 + [print]"],
)
async def test_transform_that_returns_nonsense_kills_its_own_delivery_alone(
    site: Site, start_relay: StartRelay, target: Target, returned: str
) -> None:
    """A result that can't be sent is dead with `transform_failed`; the other forward delivers."""
    site.configure({"a": {"url": target.url}, "b": {"url": target.url}})
    code = f"def change(event):\n    return {returned}\n"
    site.route(
        "one", {"forward": [{"to": "a", "transform": "t.py:change"}, {"to": "b"}]}, {"t.py": code}
    )
    relay = await start_relay(site)
    event_id = await relay.accepted("one", {})
    dead = await relay.fate(event_id, "a")
    assert (dead["state"], dead["reason"]) == ("dead", "transform_failed")
    assert (await relay.fate(event_id, "b"))["state"] == "delivered"


HOSTILE = """
import asyncio
from pydantic import BaseModel, model_serializer
from relay import Request

class Unwritable(BaseModel):
    @model_serializer
    def write(self):
        raise KeyboardInterrupt

class Unspeakable(Exception):
    def __str__(self):
        raise KeyboardInterrupt

class Endless(Exception):
    def __str__(self):
        while True:
            pass

class Items(dict):
    def items(self):
        raise KeyboardInterrupt

def throw(error):
    raise error

def change(event):
    return {}
"""


@pytest.mark.parametrize(
    "returned",
    [
        "throw(KeyboardInterrupt())", "throw(asyncio.CancelledError())", "throw(GeneratorExit())",
        "throw(BaseException())", "throw(SystemExit(0))", "throw(Unspeakable())",
        "throw(Endless())",
        "throw(ValueError('x' * 10_000_000))", "throw(ValueError('\\ud800'))", "bad(event)",
        "asyncio.sleep",
        "(n for n in range(3))", "[Unwritable()]", "Request({}, Items(a=1))",
        "Request({}, {1: 'x'})", "Request({}, 7)",
        "Request({}, {}, ['POST'])", "Request({}, {}, 'TRACE')", "'x' * (65 << 20)",
        "bytearray(65 << 20)",
        "Request(b'', {'x y': '1'})", "Request(b'', {'x': 'a\\r\\nb: c'})",
        "Request(b'', {'x': 'a\\0'})",
        "Request(b'', {'Transfer-Encoding': 'chunked'})", "Request(b'', {'content-length': '99'})",
        "Request(b'', {'': 'x'})", "Request(b'', {'x\\r\\ny': '1'})",
        "Request(b'', {'x': '\\udce9'})",
    ],
)  # fmt: skip
async def test_transform_that_does_its_worst_kills_its_own_delivery_alone(
    site: Site, start_relay: StartRelay, target: Target, returned: str
) -> None:
    """A transform that could end a worker or the process, or split a request, is one dead letter.

    The lane goes on.
    """
    site.configure({"a": {"url": target.url, "concurrency": 1}})
    bad = {"limits": {"time": "200ms"}, "forward": [{"to": "a", "transform": "t.py:bad"}]}
    code = f"{HOSTILE}\ndef bad(event):\n    return {returned}\n"
    site.route("bad", bad, {"t.py": code})
    site.route("good", {"forward": [{"to": "a", "transform": "t.py:change"}]}, {"t.py": HOSTILE})
    relay = await start_relay(site)
    dead = await relay.fate(await relay.accepted("bad", {}), "a")
    assert (dead["state"], dead["reason"]) == ("dead", "transform_failed")
    assert 0 < len(dead["detail"]) <= 500
    assert (await relay.fate(await relay.accepted("good", {}), "a"))["state"] == "delivered"
    assert len(target.requests) == 1


async def test_poison_does_not_come_back_with_a_restart(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """A KeyboardInterrupt of a transform ends no process: neither this one nor the next start."""
    site.configure({"a": {"url": target.url}})
    code = "def change(event):\n    raise KeyboardInterrupt\n"
    site.route("in", {"forward": [{"to": "a", "transform": "t.py:change"}]}, {"t.py": code})
    process = await start_process(site)
    client = Client(process.public, process.admin)
    try:
        event_id = await client.accepted("in", {})
        assert (await client.fate(event_id, "a"))["reason"] == "transform_failed"
    finally:
        await client.close()
    assert await process.terminate() == 0
    assert await (await start_process(site)).terminate() == 0


async def test_stop_right_after_a_transform_is_an_orderly_one(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """The clock that watches over a route's code stops with the relay, which exits with 0.

    A clock that ran on could end the process.
    """
    site.configure({"hook": {"url": target.url}})
    change = "def change(event):\n    return {'n': 1}\n"
    site.route("in", {"forward": [{"to": "hook", "transform": "t.py:change"}]}, {"t.py": change})
    for n in range(3):
        process = await start_process(site)
        client = Client(process.public, process.admin)
        await client.accepted("in", {})
        await client.close()
        await target.wait_for(n + 1)
        assert await process.terminate() == 0


async def test_what_a_transform_changes_no_other_sees(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Each transform of an event gets the payload as it came."""
    site.configure({"hook": {"url": target.url}})
    spoil = "def spoil(event):\n    event.body['n'] += 1\n    return event.body\n"
    forwards = [{"to": "hook", "name": f"f{n}", "transform": "t.py:spoil"} for n in range(3)]
    site.route("in", {"forward": forwards}, {"t.py": spoil})
    relay = await start_relay(site)
    await relay.accepted("in", {"n": 1})
    assert [json.loads(request.body) for request in await target.wait_for(3)] == [{"n": 2}] * 3
