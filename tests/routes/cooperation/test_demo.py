"""`make demo` accounts for every delivery, and leaves the reviews of both programmes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.demo.place import Got, PlaceServer
from tests.demo.year import Posted, unaccounted
from tests.support.process import run
from tests.support.site import REPOSITORY


async def test_demo_leaves_the_reviews_of_both_programmes(tmp_path: Path) -> None:
    """The reviews hold the facts of the first year, though a server was down meanwhile."""
    folder = tmp_path / "demo"
    done = await run(
        "-m", "tests.demo.year", "--folder", str(folder), cwd=REPOSITORY, program=sys.executable
    )
    assert done.code == 0, done.out + done.err
    assert "every delivery is accounted for" in done.out
    coast = json.loads((folder / "review-south-central-coast.json").read_text())
    assert coast["items"] == {
        "regional": {"planned": 10, "carried_out": 10},
        "bilateral": {"planned": 11, "carried_out": 10},
    }
    assert coast["places"]["binh-dinh"] == {"enterprises": 24}
    assert coast["places"]["phu-yen"] == {"processes": 6}
    assert coast["places"]["khanh-hoa"] == {"delegates": 200, "contracts": 28, "memoranda": 18}
    assert coast["computed_from"]["events"] == 59
    north = json.loads((folder / "review-north-and-north-central.json").read_text())
    assert [one["signed_on"] for one in north["agreements"]] == ["2023-03-25"]
    assert len(north["agreements"][0]["partners"]) == 9
    for programme in ("south-central-coast", "north-and-north-central"):
        assert '<html lang="vi">' in (folder / f"review-{programme}.html").read_text()
        assert '<html lang="en">' in (folder / f"review-{programme}.en.html").read_text()


EVENTS = [
    Posted("evt_1", "item", {"partner-phu-yen": "delivered"}),
    Posted("evt_2", "item", {"partner-phu-yen": "delivered"}),
    Posted("evt_3", "other", {"partner-phu-yen": "delivered"}),
]


@pytest.mark.parametrize(
    ("came", "said"),
    [
        (["evt_1", "evt_2", "evt_3"], []),
        (["evt_3", "evt_1", "evt_2"], []),
        (["evt_1", "evt_1", "evt_3", "evt_2", "evt_1"], []),
        (["evt_2", "evt_1", "evt_3"], ["partner-phu-yen got the events of item out of order"]),
        (
            ["evt_1", "evt_2"],
            [
                "partner-phu-yen got 2 events, 3 are owed",
                "partner-phu-yen got the events of other out of order",
            ],
        ),
        (["evt_1", "evt_2", "evt_3", "evt_4"], ["partner-phu-yen got 4 events, 3 are owed"]),
    ],
    ids=str,
)  # fmt: skip
def test_account_tells_what_is_missing_or_out_of_order(
    came: list[str], said: list[str], tmp_path: Path
) -> None:
    """Twice is at least once; missing, overtaken and unasked for are told."""
    server = PlaceServer("phu-yen")
    server.got = [Got("/partner", event, {}, b"") for event in came]
    assert list(unaccounted(EVENTS, {"phu-yen": server}, tmp_path)) == said


def test_account_tells_a_delivery_that_did_not_end_delivered(tmp_path: Path) -> None:
    """The relay's own word for it is told."""
    server = PlaceServer("phu-yen")
    server.got = [Got("/partner", event.id, {}, b"") for event in EVENTS]
    dead = [replace(EVENTS[0], owed={"partner-phu-yen": "dead"}), *EVENTS[1:]]
    assert list(unaccounted(dead, {"phu-yen": server}, tmp_path)) == [
        "evt_1 for partner-phu-yen is dead"
    ]
