"""The cooperation route on a real relay: sixteen senders that sign, sixteen servers.

Servers go down and come back.
"""

import asyncio
import html
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo.hub import HUB, PLACES, ROUTE, Sender, prepare, year
from tests.demo.place import PlaceServer, start_all
from tests.support.client import Answer
from tests.support.cooperation import COAST, EXAMPLES
from tests.support.process import run
from tests.support.running import Running, StartRelay
from tests.support.site import REPOSITORY, Site
from tests.support.waiting import until

CATALOGUE = REPOSITORY / "docs" / "cooperation"
RAISED = EXAMPLES["obstacle.raised"]
GAUGES = (
    "cooperation_obstacle_due_timestamp_seconds",
    "cooperation_obstacle_resolved_timestamp_seconds",
    "cooperation_item_told_timestamp_seconds",
    "cooperation_item_done_timestamp_seconds",
    "cooperation_item_paused_timestamp_seconds",
    "cooperation_project_paused_timestamp_seconds",
    "cooperation_unanswered_timestamp_seconds",
    "cooperation_answered_timestamp_seconds",
)


@pytest.fixture
async def servers() -> AsyncIterator[dict[str, PlaceServer]]:
    """Return the servers of the sixteen places, all up."""
    started = await start_all(list(PLACES))
    yield started
    await asyncio.gather(*(server.down() for server in started.values()))


@pytest.fixture
async def relay(site: Site, servers: dict[str, PlaceServer], start_relay: StartRelay) -> Running:
    """Return a relay with the shipped route and these servers as its targets."""
    prepare(site, servers)
    return await start_relay(site)


@pytest.fixture
def sender(site: Site, relay: Running) -> Sender:
    """Return what posts as any place."""
    return Sender(site, relay)


async def post(sender: Sender, body: dict[str, Any], **as_whom: str) -> Answer:
    """Post a body as the place that it names."""
    return await sender.post(
        body["place"], json.dumps(body, ensure_ascii=False).encode(), **as_whom
    )


async def accepted(sender: Sender, body: dict[str, Any]) -> str:
    """Post what must be accepted, and return its id."""
    answer = await post(sender, body)
    assert answer.status == 202, answer
    return str(answer.json["id"])


async def done(relay: Running) -> None:
    """Wait until nothing is pending."""

    async def nothing() -> bool:
        series = await relay.series()
        return not any(
            value for (name, _), value in series.items() if name == "relay_pending_deliveries"
        )

    await until(nothing, "the last delivery")


# --- who may say what -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
async def test_secret_of_another_place_is_not_verified(sender: Sender, place: str) -> None:
    """The secrets of the other fifteen places get 401 on a place's URL.

    With its own secret the request is read at all.
    """
    for other in PLACES:
        answer = await sender.post(place, b"{}", secret_of=other)
        assert answer.status == (422 if other == place else 401), (place, other)


async def test_place_speaks_for_itself_alone(relay: Running, sender: Sender) -> None:
    """403 for an event in another's name, told as such; nothing of it is stored."""
    body = json.dumps(RAISED).encode()
    for place in PLACES:
        if place != RAISED["place"]:
            answer = await sender.post(place, body)
            assert (answer.status, answer.json["reason"]) == (403, "forbidden")
    assert await relay.events() == []


async def test_unknown_field_is_named(sender: Sender) -> None:
    """422, and the answer names the member, with the type that it was read as."""
    answer = await post(sender, {**RAISED, "colour": "red"})
    assert answer.status == 422
    assert "obstacle.raised.colour" in answer.body.decode()


async def test_place_outside_the_programme_is_named_in_both_languages(sender: Sender) -> None:
    """422, and the answer says which place, and why."""
    answer = await post(sender, {**RAISED, "partners": ["nghe-an"]})
    assert answer.status == 422
    told = json.dumps(answer.json, ensure_ascii=False)
    assert "nghe-an does not take part in south-central-coast" in told
    assert "Tỉnh Nghệ An không thuộc chương trình này" in told


async def test_decomposed_body_is_accepted_and_goes_out_composed(
    relay: Running, sender: Sender, servers: dict[str, PlaceServer]
) -> None:
    """Signed over the bytes that came; every target gets NFC."""
    body = unicodedata.normalize("NFD", json.dumps(RAISED, ensure_ascii=False)).encode()
    assert (await sender.post("khanh-hoa", body)).status == 202
    await done(relay)
    (got,) = servers[HUB].took("partner")
    assert json.loads(got.body) == RAISED
    (message,) = servers[HUB].took("focal-point")
    assert unicodedata.is_normalized("NFC", message.body.decode())


# --- a server that is down ------------------------------------------------------------------------


async def test_server_that_was_down_gets_everything_in_order_for_each_item(
    relay: Running, sender: Sender, servers: dict[str, PlaceServer]
) -> None:
    """While one server is down the others get theirs.

    Once it is back, it misses nothing, and gets nothing twice or out of order.
    """
    down = servers["khanh-hoa"]
    await down.down()
    posted: dict[str, list[str]] = defaultdict(list)
    for step in ("planned", "started", "paused", "reported", "carried_out"):
        for n in range(6):
            body = {
                **EXAMPLES[f"item.{step}"], "place": HUB, "id": f"{HUB}/{step}-{n}",
                "partners": list(COAST),
                "item": f"{HUB}/{n}",
            }  # fmt: skip
            body |= {"scope": "regional"} if step == "planned" else {}
            posted[body["item"]].append(await accepted(sender, body))
    count = sum(map(len, posted.values()))
    for place in COAST:
        if place != "khanh-hoa":
            await servers[place].wait_for("partner", count)
    assert down.got == []
    assert await relay.value("relay_pending_deliveries", target="partner-khanh-hoa") == count
    await down.up()
    await done(relay)
    came = [one.event for one in down.took("partner")]
    assert sorted(came) == sorted(event for each in posted.values() for event in each)
    for each in posted.values():
        assert [event for event in came if event in each] == each
    assert await relay.dead() == []


# --- what had no follow-up ------------------------------------------------------------------------


async def followed(relay: Running) -> dict[str, list[dict[str, str]]]:
    """Return the labels of every series of the route's own gauges."""
    found: dict[str, list[dict[str, str]]] = {name: [] for name in GAUGES}
    for name, labels in await relay.series():
        if name in found:
            found[name].append(dict(labels))
    return found


async def test_what_had_no_follow_up_is_a_series_until_it_has(
    relay: Running, sender: Sender
) -> None:
    """Obstacles, items, paused items and paused projects have a series until their follow-up.

    An obstacle's value is its due date, an item's the last time that it was told of.
    """
    programme = {"programme": "south-central-coast"}
    for kind in (
        "obstacle.raised",
        "item.planned",
        "item.paused",
        "project.announced",
        "project.paused",
    ):
        await accepted(sender, EXAMPLES[kind])
    series = await followed(relay)
    assert series["cooperation_obstacle_due_timestamp_seconds"] == [
        {**programme, "obstacle": RAISED["obstacle"]}
    ]
    due = await relay.value(
        "cooperation_obstacle_due_timestamp_seconds", **programme, obstacle=RAISED["obstacle"]
    )
    assert due == 1721062799  # 15 July 2024, 23:59:59 in Viet Nam
    assert len(series["cooperation_item_told_timestamp_seconds"]) == 2
    assert len(series["cooperation_item_paused_timestamp_seconds"]) == 1
    assert len(series["cooperation_project_paused_timestamp_seconds"]) == 1
    for kind in ("obstacle.taken_up", "obstacle.resolved", "item.ended", "project.terminated"):
        await accepted(sender, EXAMPLES[kind])
    series = await followed(relay)
    assert len(series["cooperation_obstacle_resolved_timestamp_seconds"]) == 1
    assert len(series["cooperation_item_done_timestamp_seconds"]) == 1
    assert series["cooperation_item_paused_timestamp_seconds"] == []
    assert series["cooperation_project_paused_timestamp_seconds"] == []


async def test_event_is_waited_for_until_each_receiver_acknowledged(
    relay: Running, sender: Sender
) -> None:
    """Each receiver has a series until it acknowledges the event.

    A correction ends the series of the event that it corrects.
    """
    name = "cooperation_unanswered_timestamp_seconds"
    plan = EXAMPLES["plan.shared"]
    await accepted(sender, plan)
    assert {one["place"] for one in (await followed(relay))[name]} == set(COAST)
    await accepted(sender, EXAMPLES["event.acknowledged"])
    assert {one["place"] for one in (await followed(relay))[name]} == set(COAST) - {"khanh-hoa"}
    await accepted(sender, {**plan, "id": f"{HUB}/2", "corrects": plan["id"]})
    waiting = (await followed(relay))[name]
    assert {one["event"] for one in waiting} == {f"{HUB}/2"}
    assert {one["place"] for one in waiting} == set(COAST)


async def test_no_expression_of_a_metric_fails(
    relay: Running, sender: Sender, tmp_path: Path
) -> None:
    """Every example and the whole first year are observed without an error of any expression.

    `promtool` has no complaint.
    """
    for body in EXAMPLES.values():
        await accepted(sender, body)
    for _, body in year():
        await accepted(sender, body)
    series = await relay.series()
    trouble = ("relay_metric_errors_total", "relay_metric_series_refused_total")
    assert {key: value for key, value in series.items() if key[0] in trouble and value} == {}
    told = sum(value for (name, _), value in series.items() if name == "cooperation_events_total")
    assert told == len(EXAMPLES) + len(year())
    metrics = (await relay.request("GET", f"{relay.admin}/metrics")).body
    said = await run("check", "metrics", cwd=tmp_path, stdin=metrics, program="promtool")
    assert (said.code, said.out, said.err) == (0, "", "")


async def test_follow_up_is_known_again_after_a_restart(
    site: Site, relay: Running, sender: Sender, start_relay: StartRelay
) -> None:
    """The gauges are restored from the store."""
    for body in EXAMPLES.values():
        await accepted(sender, body)
    before = await followed(relay)
    await relay.stop()
    again = await start_relay(site)

    async def restored() -> bool:
        return _sorted(await followed(again)) == _sorted(before)

    await until(restored, "the gauges to be restored")


def _sorted(found: dict[str, list[dict[str, str]]]) -> dict[str, list[str]]:
    return {name: sorted(map(str, each)) for name, each in found.items()}


async def test_alerts_name_series_that_the_route_has(relay: Running, sender: Sender) -> None:
    """An alert on a series that does not exist would never fire."""
    for body in EXAMPLES.values():
        if body["type"] not in {"item.ended", "project.terminated"}:
            await accepted(sender, body)
    known = {name for name, _ in await relay.series()}
    rules = (REPOSITORY / "deploy" / "prometheus" / "cooperation.rules.yml").read_text()
    named = set(re.findall(r"\b(?:cooperation|relay)_\w+_seconds\b", rules))
    assert len(named) >= len(GAUGES)
    assert named <= known


# --- the catalogue's own lines --------------------------------------------------------------------


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_lines_of_the_catalogue_post_a_valid_event(
    site: Site, relay: Running, language: str, tmp_path: Path
) -> None:
    """A shell runs the page's lines for `curl` and `openssl`; only the hub's address is changed."""
    page = (CATALOGUE / f"catalogue.{language}.html").read_text("utf-8")
    blocks = re.findall(r'<pre class="run">(.*?)</pre>', page, re.DOTALL)
    script = "\n".join(map(html.unescape, blocks))
    assert "RELAY=https://relay.example.org\nPLACE=khanh-hoa\nSECRET=khanh-hoa.secret\n" in script
    script = script.replace("https://relay.example.org", relay.public)
    (tmp_path / "khanh-hoa.secret").write_text(site.secret(f"{ROUTE}-khanh-hoa"))
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", script, cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert err == b""
    answer, status = out.decode().strip().rsplit("\n", 1)
    assert status == "202", out
    (event,) = await relay.events()
    assert event["id"] == json.loads(answer)["id"]
    assert (event["sender"], event["type"], event["dedupe_id"]) == (
        "khanh-hoa",
        "obstacle.raised",
        RAISED["id"],
    )
