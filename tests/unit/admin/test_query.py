"""The parameters of a listing: what a URL may say, within bounds."""

import pytest
from aiohttp import web

from relay.admin.query import read_query
from relay.clock import Wall
from relay.stores.records import Query


def test_nothing_said_is_the_newest_fifty() -> None:
    """Of everything."""
    assert read_query({}) == Query(limit=50)


def test_everything_that_may_be_said() -> None:
    """A time with its zone, an event's id as the place to go on from, a limit of 1,000 at most."""
    query = read_query(
        {
            "route": "in", "type": "push", "target": "hook", "reason": "gone",
            "quarantined": "true",
            "since": "2026-11-23T15:00:00+07:00", "until": "1970-01-01T00:00:00Z",
            "before": "evt_0000000000000007000000000a", "limit": "5000",
        }
    )  # fmt: skip
    assert query == Query(
        "in", "push", "hook", "gone", True, Wall(1795420800.0), Wall(0.001), 7, 1000
    )


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"limit": "-1"}, "limit must be a whole number"),
        ({"limit": "9" * 5000}, "limit must be a whole number"),
        ({"limit": "٣"}, "limit must be a whole number"),
        ({"since": "yesterday"}, "a time is written such as 2026-11-23T08:00:00Z"),
    ],
)
def test_bad_parameter_is_refused(parameters: dict[str, str], reason: str) -> None:
    """With 400, and how it is written."""
    with pytest.raises(web.HTTPBadRequest) as caught:
        read_query(parameters)
    assert caught.value.reason == reason
