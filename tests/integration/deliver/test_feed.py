"""A feed target of a real relay: the file that a web server would serve."""

import asyncio
import stat
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from relay.targets.atom import ATOM
from tests.support.client import JSON
from tests.support.running import Running, StartRelay
from tests.support.site import Site

RETRY = {"schedule": ["10ms"] * 20}
BODY = '{"title": body.title, "id": "urn:example:" + body.id}'


def _write(site: Site, **more: Any) -> Path:
    site.configure({"news": {"feed": "../var/news.atom", "title": "Tin", "retry": RETRY, **more}})
    if not (site.routes / "in").exists():
        site.route("in", {"forward": [{"to": "news", "body": BODY}]})
        site.route("raw", {"forward": [{"to": "news"}]})
    return site.var / "news.atom"


def _titles(feed: Path) -> list[str | None]:
    root = ET.fromstring(feed.read_bytes())
    return [entry.findtext(f"{{{ATOM}}}title") for entry in root.findall(f"{{{ATOM}}}entry")]


async def _publish(relay: Running, *titles: str) -> None:
    for title in titles:
        event_id = await relay.accepted("in", {"title": title, "id": title.partition(" ")[0]})
        assert (await relay.fate(event_id, "news"))["state"] == "delivered"


async def test_feed_has_the_newest_entries_also_after_a_restart(
    site: Site, start_relay: StartRelay
) -> None:
    """The file itself is read back; it is readable for everyone, and nothing is left beside it."""
    feed = _write(site, entries=3)
    relay = await start_relay(site)
    await _publish(relay, "a", "b", "c")
    await relay.stop()
    relay = await start_relay(site)
    await _publish(relay, "d <b>&", "b again")
    assert _titles(feed) == ["b again", "d <b>&", "c"]
    assert stat.S_IMODE(feed.stat().st_mode) & 0o444 == 0o444
    assert [path.name for path in _beside(feed) if "atom" in path.name] == ["news.atom"]


async def test_many_at_once_are_all_in_it(site: Site, start_relay: StartRelay) -> None:
    """They share syncs, and lose nothing."""
    feed = _write(site, entries=500)
    relay = await start_relay(site)
    titles = [f"{n}" for n in range(200)]
    await asyncio.gather(*(_publish(relay, title) for title in titles))
    assert set(_titles(feed)) == set(titles)


async def test_body_that_is_no_entry_is_dead_at_once(site: Site, start_relay: StartRelay) -> None:
    """Refused with the place, after one attempt; the feed is as it was."""
    feed = _write(site)
    relay = await start_relay(site)
    await _publish(relay, "a")
    event_id = await relay.accepted("raw", {"title": "x", "summery": "y"})
    fate = await relay.fate(event_id, "news")
    assert (fate["state"], fate["reason"], fate["attempts"]) == ("dead", "refused", 1)
    assert "summery: Extra inputs are not permitted" in fate["detail"]
    assert _titles(feed) == ["a"]


async def test_damaged_file_is_put_aside(site: Site, start_relay: StartRelay) -> None:
    """Its bytes stay, under another name, and the feed begins afresh."""
    feed = _write(site)
    site.var.mkdir()
    feed.write_bytes(b"<feed>torn")
    relay = await start_relay(site)
    await _publish(relay, "a", "b")
    assert _titles(feed) == ["b", "a"]
    (aside,) = (path for path in _beside(feed) if "damaged" in path.name)
    assert aside.read_bytes() == b"<feed>torn"


async def test_file_that_can_not_be_written_is_tried_again(
    site: Site, start_relay: StartRelay
) -> None:
    """As a target that is down; nothing is lost."""
    feed = _write(site)
    relay = await start_relay(site)
    feed.mkdir()
    event_id = await relay.accepted("in", {"title": "a", "id": "a"})
    await relay.until_value(1, "relay_pending_deliveries", target="news")
    feed.rmdir()
    fate = await relay.fate(event_id, "news")
    assert fate["state"] == "delivered"
    assert _titles(feed) == ["a"]


async def test_reload_changes_the_feed(site: Site, start_relay: StartRelay) -> None:
    """Its title and how many entries it keeps, from the next entry on."""
    feed = _write(site)
    relay = await start_relay(site)
    await _publish(relay, "a", "b", "c")
    _write(site, entries=2, title="Tin mới", link="https://example.org/tin")
    assert (await relay.request("POST", f"{relay.admin}/api/reload", b"{}", JSON)).status == 200
    await _publish(relay, "d")
    assert _titles(feed) == ["d", "c"]
    root = ET.fromstring(feed.read_bytes())
    assert root.findtext(f"{{{ATOM}}}title") == "Tin mới"


def _beside(feed: Path) -> list[Path]:
    return list(feed.parent.iterdir())
