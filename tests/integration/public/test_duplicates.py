"""The same id many times at once, again, with another body, after a restart: one event."""

import asyncio
from collections import Counter

import pytest
from pysqlite3 import dbapi2

from tests.support.running import StartRelay
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import until

pytestmark = pytest.mark.fault(24)

MANY = 1000


async def test_the_same_id_a_thousand_times_at_once_is_one_event(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """One 202 and 999 times 200, all with one id; one event is stored.

    The target gets one request.
    """
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"event": {"id": "body.id"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    answers = await asyncio.gather(*(relay.post("in", {"id": "one"}) for _ in range(MANY)))
    assert Counter(answer.status for answer in answers) == {202: 1, 200: MANY - 1}
    (event_id,) = {answer.json["id"] for answer in answers}
    assert [event["id"] for event in await relay.events()] == [event_id]
    assert (await relay.fate(event_id, "hook"))["state"] == "delivered"
    assert [request.id for request in target.requests] == [event_id]
    labels = {"route": "in", "outcome": "duplicate", "reason": ""}
    assert await relay.value("relay_requests_total", **labels) == MANY - 1
    assert await relay.value("relay_pending_deliveries", target="hook") == 0


async def test_a_duplicate_of_an_event_that_is_being_committed_waits_for_the_commit(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """While the first is not on disk, its duplicate gets no 2xx either, then the same id."""
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"event": {"id": "body.id"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    lock = dbapi2.connect(site.var / "relay.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        both = [asyncio.create_task(relay.post("in", {"id": "one"})) for _ in range(2)]

        async def arrived() -> bool:
            return await relay.value("relay_request_bytes_count", route="in") == 2

        await until(arrived, "both requests to arrive")
        done = [task.done() for task in both]
    finally:
        lock.rollback()
        lock.close()
    answers = [await task for task in both]
    assert done == [False, False]
    assert sorted(answer.status for answer in answers) == [200, 202]
    assert answers[0].json["id"] == answers[1].json["id"]


async def test_two_bodies_of_an_id_at_once_are_one_event_and_a_conflict(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """A duplicate with another body counts as a conflict, one with the same body does not.

    So it is while the first is still being committed.
    """
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"event": {"id": "body.id"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    answers = await asyncio.gather(
        *(relay.post("in", {"id": "one", "n": n % 2}) for n in range(20))
    )
    assert Counter(answer.status for answer in answers) == {202: 1, 200: 19}
    assert await relay.value("relay_duplicate_conflicts_total", route="in") == 10


async def test_the_first_body_of_an_id_is_kept(
    site: Site, start_relay: StartRelay, target: Target
) -> None:
    """Another body under the same id is a duplicate, before and after a restart, and counted.

    It overwrites nothing.
    """
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"event": {"id": "body.id"}, "forward": [{"to": "hook"}]})
    relay = await start_relay(site)
    event_id = await relay.accepted("in", {"id": "one", "n": 1})
    for n in range(2, 4):
        assert await relay.value("relay_duplicate_conflicts_total", route="in") == 0
        again = await relay.post("in", {"id": "one", "n": n})
        assert (again.status, again.json) == (200, {"id": event_id, "duplicate": True})
        assert await relay.value("relay_duplicate_conflicts_total", route="in") == 1
        assert (await relay.post("in", b'{"id": "one", "n": 1}')).status == 200
        assert await relay.value("relay_duplicate_conflicts_total", route="in") == 1
        await relay.fate(event_id, "hook")
        await relay.stop()
        relay = await start_relay(site)
    assert [(request.id, request.body) for request in target.requests] == [
        (event_id, b'{"id": "one", "n": 1}')
    ]
