"""walk: accepted events in the order of acceptance, in pages that are bounded."""

import pytest

from relay.clock import Wall
from relay.event import Event
from relay.stores.contract import Store
from relay.stores.records import Query
from tests.contract.stores.engine import NOW, Appender


async def _walk(store: Store, query: Query, size: int = 1 << 20) -> list[list[Event]]:
    """Return all pages to the end."""
    pages, beyond = [], 0
    while True:
        walked = await store.asking.walk(query, beyond, size)
        pages.append(walked.events)
        if not walked.beyond:
            return pages
        assert walked.beyond > beyond, "every page gets further"
        beyond = walked.beyond


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_every_accepted_event_comes_once_in_its_order(
    store: Store, appender: Appender, limit: int
) -> None:
    """Whole, page by page, however large the pages are."""
    events = [await appender.append(raw=b"%d" % n, key=f"k{n}") for n in range(7)]
    pages = await _walk(store, Query(limit=limit))
    assert [event for page in pages for event in page] == events
    assert all(len(page) <= limit for page in pages)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(route="hello"), [0, 2, 3]),
        (Query(route="github"), [1]),
        (Query(route="hello", type="push"), [0, 3]),
        (Query(since=Wall(NOW + 2)), [2, 3]),
        (Query(until=Wall(NOW + 2)), [0, 1]),
        (Query(since=Wall(NOW + 1), until=Wall(NOW + 3)), [1, 2]),
        (Query(route="nowhere"), []),
    ],
)
@pytest.mark.parametrize("limit", [1, 100])
async def test_walk_is_filtered(
    store: Store, appender: Appender, query: Query, expected: list[int], limit: int
) -> None:
    """By route, type and time of acceptance; a page without a find leads on to the next."""
    events = [
        await appender.append(now=NOW + n, route=route, type=kind)
        for n, (route, kind) in enumerate(
            [("hello", "push"), ("github", "push"), ("hello", "tag"), ("hello", "push")]
        )
    ]
    limited = Query(
        route=query.route, type=query.type, since=query.since, until=query.until, limit=limit
    )
    walked = [event for page in await _walk(store, limited) for event in page]
    assert walked == [events[n] for n in expected]


async def test_page_ends_with_its_bytes(store: Store, appender: Appender) -> None:
    """A page has no more bytes of bodies than asked for, but at least one event, however large."""
    for size in (10, 10, 500, 10):
        await appender.append(raw=b"x" * size)
    pages = await _walk(store, Query(), 20)
    assert [[len(event.raw) for event in page] for page in pages] == [[10, 10], [500], [10]]


async def test_what_is_in_quarantine_is_left_out_until_it_is_released(
    store: Store, appender: Appender
) -> None:
    """Then it stands where it was accepted."""
    first = appender.event()
    await appender.start(first, {}, quarantined=True)
    second = await appender.append({})
    assert await _walk(store, Query()) == [[second]]
    await store.operating.release(first, (), NOW)
    assert await _walk(store, Query()) == [[first, second]]
