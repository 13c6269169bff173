"""The parameters of a listing, read from a URL."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

from relay.clock import Wall
from relay.event import parse_id
from relay.stores.records import Query

_ROWS = 1000  # of one answer at most
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 2.0**33  # seconds since the epoch; an event's number has no room for later ones


def read_query(parameters: Mapping[str, str]) -> Query:
    """Return the filter that a URL's parameters say; raise HTTPBadRequest for what is no such."""
    before = parse_id(parameters.get("before", ""))
    limit = parameters.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise web.HTTPBadRequest(reason="limit must be a whole number")
    return Query(
        route=parameters.get("route", ""),
        type=parameters.get("type", ""),
        target=parameters.get("target", ""),
        reason=parameters.get("reason", ""),
        quarantined=parameters.get("quarantined", "") == "true",
        since=_moment(parameters.get("since", "")),
        until=_moment(parameters.get("until", "")),
        before=before[0] if before else 0,
        limit=min(int(limit), _ROWS),
    )


def _moment(text: str) -> Wall:
    """Return an RFC 3339 time in seconds since the epoch; 0 for none."""
    if not text:
        return Wall(0.0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise web.HTTPBadRequest(reason="a time is written such as 2026-11-23T08:00:00Z") from None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - _EPOCH).total_seconds()
    return Wall(min(max(seconds, 0.001), _LATEST))
