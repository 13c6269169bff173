"""The review as a pure function of events: the facts of the first year, and general properties."""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routes.cooperation.computing import compute
from routes.cooperation.findings import Review
from routes.cooperation.payload import AnyEvent
from routes.cooperation.places import Programme
from tests.support.cooperation import COAST, EXAMPLES, first_year, read

FIRST, LAST, AS_OF = date(2023, 1, 1), date(2025, 12, 31), date(2024, 8, 1)
HUB = "ho-chi-minh-city"
HELD = EXAMPLES["happening.held"]


def review(
    events: Iterable[AnyEvent], programme: Programme = Programme.SOUTH_CENTRAL_COAST, **period: date
) -> Review:
    """Return the review of the whole programme, unless a period is given."""
    return compute(events, programme, **{"first": FIRST, "last": LAST, "as_of": AS_OF, **period})


def told(*changes: dict[str, Any]) -> dict[str, Any]:
    """Return the review of example events that are changed so; each change names the type."""
    return review(read({**EXAMPLES[change["type"]], **change}) for change in changes).as_json()


# --- the first year -------------------------------------------------------------------------------


def test_south_central_coast_is_what_its_review_says() -> None:
    """Regional 10 of 10, bilateral 10 of 11, and the figures of each partner, no more."""
    found = review(map(read, first_year())).as_json()
    assert found["items"] == {
        "regional": {"planned": 10, "carried_out": 10},
        "bilateral": {"planned": 11, "carried_out": 10},
    }
    assert found["places"] == {
        "quang-ngai": {},
        "binh-dinh": {"enterprises": 24},
        "phu-yen": {"processes": 6},
        "khanh-hoa": {"delegates": 200, "contracts": 28, "memoranda": 18},
        "ninh-thuan": {},
        "binh-thuan": {},
    }
    assert found["agreements"] == [{"signed_on": None, "partners": list(COAST)}]
    assert found["approximate"] == {"khanh-hoa": ["delegates"]}
    assert found["obstacles"] == {"open": 0, "resolved": 0}
    assert found["projects"] == {}


def test_north_and_north_central_is_what_is_known_of_it() -> None:
    """Nine partners signed on 25 March 2023, and that is all."""
    found = review(map(read, first_year()), Programme.NORTH_AND_NORTH_CENTRAL).as_json()
    (agreement,) = found["agreements"]
    assert agreement["signed_on"] == "2023-03-25"
    assert agreement["partners"] == [
        "nghe-an", "thanh-hoa", "ha-tinh", "quang-tri", "quang-binh", "thua-thien-hue", "ha-nam",
        "cao-bang",
        "bac-kan",
    ]  # fmt: skip
    assert set(map(str, found["places"].values())) == {"{}"}
    assert found["items"] == {
        scope: {"planned": 0, "carried_out": 0} for scope in ("regional", "bilateral")
    }
    assert found["computed_from"]["events"] == 1


# --- what counts once -----------------------------------------------------------------------------


def test_correction_takes_the_place_of_what_it_corrects() -> None:
    """Whichever comes first: the figure is the corrected one, and both are told of."""
    held = {"type": "happening.held"}
    events = (
        {**held, "enterprises": 12},
        {**held, "id": f"{HUB}/2", "corrects": HELD["id"], "enterprises": 20},
    )
    for order in (events, events[::-1]):
        found = told(*order)
        assert found["regional"]["enterprises"] == 20
        assert found["computed_from"]["events"] == 2
        assert found["computed_from"]["corrections"] == 1


def test_correction_of_what_never_came_stands_for_it() -> None:
    """An export that begins later than the event holds the correction alone."""
    assert (
        told({"type": "happening.held", "corrects": f"{HUB}/0", "enterprises": 7})["regional"][
            "enterprises"
        ]
        == 7
    )


def test_last_of_a_chain_of_corrections_stands() -> None:
    """A correction may be corrected."""
    chain = [
        {
            "type": "happening.held",
            "id": f"{HUB}/{n}",
            "enterprises": n,
            **({"corrects": f"{HUB}/{n - 1}"} if n else {}),
        }
        for n in range(4)
    ]
    assert told(*chain)["regional"]["enterprises"] == 3


def test_corrections_that_bite_their_tail_count_once() -> None:
    """Two events that correct each other are one fact, not none and not two."""
    found = told(
        {"type": "happening.held", "id": f"{HUB}/1", "corrects": f"{HUB}/2", "enterprises": 1},
        {"type": "happening.held", "id": f"{HUB}/2", "corrects": f"{HUB}/1", "enterprises": 2},
    )
    assert found["regional"]["enterprises"] == 2


def test_correction_may_move_an_event_to_the_other_programme() -> None:
    """Then it counts there alone."""
    wrong = read(EXAMPLES["agreement.signed"])
    right = read(
        {
            **EXAMPLES["agreement.signed"], "id": f"{HUB}/2", "corrects": wrong.id,
            "partners": ["nghe-an"],
            "programme": "north-and-north-central",
        }
    )  # fmt: skip
    assert review([wrong, right]).agreements == ()
    assert review([wrong, right], Programme.NORTH_AND_NORTH_CENTRAL).agreements == (right,)


def test_happening_told_by_two_counts_once() -> None:
    """The greatest figure of what several tell of one happening, for the partner whose it is."""
    happening = "khanh-hoa/1"
    held = {"type": "happening.held", "happening": happening}
    found = told(
        {**held, "delegates": 180, "partners": ["khanh-hoa"]},
        {**held, "place": "khanh-hoa", "id": "khanh-hoa/1", "partners": [HUB], "delegates": 200},
    )
    assert found["places"]["khanh-hoa"]["delegates"] == 200
    assert "delegates" not in found["regional"]


def test_contract_at_a_happening_is_one_of_those_that_it_counted() -> None:
    """Its own count holds if the happening gave none, or a lower one."""
    at = {"type": "contract.signed", "happening": HELD["happening"]}
    assert told({"type": "happening.held"}, at)["regional"]["contracts"] == HELD["contracts"]
    assert told({"type": "happening.held"}, {**at, "count": 9})["regional"]["contracts"] == 9
    found = told({"type": "happening.held", "contracts": None}, at)
    assert "contracts" not in found["regional"]
    assert found["places"]["ninh-thuan"]["contracts"] == 1


# --- items, obstacles, projects -------------------------------------------------------------------


def test_item_told_of_but_never_planned_is_named_and_not_counted() -> None:
    """There is nothing that it could be a part of."""
    found = told({"type": "item.carried_out"})
    assert found["items"]["bilateral"] == {"planned": 0, "carried_out": 0}
    assert found["computed_from"]["unplanned_items"] == [EXAMPLES["item.carried_out"]["item"]]


def test_item_that_was_carried_out_stays_so() -> None:
    """Whatever is told late of how it went before."""
    found = told(
        {"type": "item.planned"},
        {"type": "item.carried_out"},
        {"type": "item.started", "happened": "2025"},
    )
    assert found["items"]["bilateral"] == {"planned": 1, "carried_out": 1}


def test_open_obstacle_has_its_age_and_how_long_it_is_overdue() -> None:
    """As of 1 August: raised on 1 July, due on 15 July, then put off to 20 July."""
    (one,) = told({"type": "obstacle.raised"})["open_obstacles"]
    assert (one["age_days"], one["overdue_days"], one["taken_up"]) == (31, 17, False)
    (one,) = told({"type": "obstacle.raised"}, {"type": "obstacle.taken_up"})["open_obstacles"]
    assert (one["due"], one["overdue_days"], one["taken_up"]) == ("2024-07-20", 12, True)
    found = told(*({"type": f"obstacle.{kind}"} for kind in ("raised", "taken_up", "resolved")))
    assert found["obstacles"] == {"open": 0, "resolved": 1}


def test_project_is_in_the_state_of_its_latest_event() -> None:
    """By when it happened; what is terminated stays so."""
    kinds = ("announced", "invested", "paused", "terminated")
    for n, kind in enumerate(kinds, 1):
        assert told(*({"type": f"project.{kind}"} for kind in kinds[:n]))["projects"] == {kind: 1}
    resumed = {"type": "project.invested", "id": "binh-dinh/2", "happened": "2025-05"}
    assert told({"type": "project.paused"}, resumed)["projects"] == {"invested": 1}


def test_event_that_asks_something_waits_for_an_answer_of_each_receiver() -> None:
    """An acknowledgement ends the waiting for its sender, also if the event was corrected since."""
    plan = EXAMPLES["plan.shared"]
    (one,) = told({"type": "plan.shared"})["unanswered"]
    assert one["places"] == list(COAST)
    (one,) = told({"type": "plan.shared"}, {"type": "event.acknowledged"})["unanswered"]
    assert "khanh-hoa" not in one["places"]
    corrected = {"type": "plan.shared", "id": f"{HUB}/2", "corrects": plan["id"]}
    (one,) = told({"type": "plan.shared"}, corrected, {"type": "event.acknowledged"})["unanswered"]
    assert (one["event"], "khanh-hoa" in one["places"]) == (f"{HUB}/2", False)


@pytest.mark.parametrize(
    ("happened", "counted"),
    [("2023-12-31", False), ("2024-01-01", True), ("2024", True), (None, True), ("2025-01", False)],
)
def test_what_happened_once_counts_if_it_may_have_been_in_the_period(
    happened: str, *, counted: bool
) -> None:
    """A year counts if any of its days is in the period.

    What has no date counts, and the page says how many.
    """
    event = read({**HELD, "happened": happened})
    found = review([event], first=date(2024, 1, 1), last=date(2024, 12, 31)).as_json()
    assert ("enterprises" in found["regional"]) == counted
    assert found["computed_from"]["undated"] == (happened is None)
    assert found["computed_from"]["outside_the_period"] == (not counted)


# --- any events at all ----------------------------------------------------------------------------

_NUMBERS = st.integers(0, 5)
_WHEN = st.sampled_from(
    [None, "2023", "2023-04", "2024-07-01", "2024-07-01T09:30:00+07:00", "2026-01"]
)


@st.composite
def events(draw: st.DrawFn) -> list[AnyEvent]:
    """Return a few events out of small pools.

    So ids, things, corrections and answers meet each other.
    """
    drawn = []
    for _ in range(draw(st.integers(0, 12))):
        body = dict(EXAMPLES[draw(st.sampled_from(sorted(EXAMPLES)))])
        place = body["place"]
        number = draw(_NUMBERS)
        body |= {"id": f"{place}/{number}", "happened": draw(_WHEN)}
        for thing in ("item", "obstacle", "project", "happening", "agreement", "event"):
            if thing in body:
                body[thing] = f"{draw(st.sampled_from([HUB, 'khanh-hoa']))}/{draw(_NUMBERS)}"
        for figure in ("enterprises", "delegates", "contracts", "memoranda", "processes", "count"):
            if figure in body:
                body[figure] = draw(st.integers(1, 9))
        if (other := draw(_NUMBERS)) != number and draw(st.booleans()):
            body["corrects"] = f"{place}/{other}"
        drawn.append(read(body))
    return drawn


@given(events(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_review(
    given_events: list[AnyEvent], random: Any
) -> None:
    """Neither order nor repetition changes the review, but for the count of duplicates."""
    once = review(given_events)
    again = [event for event in given_events for _ in range(random.randint(1, 3))]
    random.shuffle(again)
    twice = review(again)
    assert replace(twice, source=replace(twice.source, duplicates=0)) == replace(
        once, source=replace(once.source, duplicates=0)
    )
    assert twice.source.duplicates == len(again) - twice.source.events
    assert {**twice.as_json(), "computed_from": 0} == {**once.as_json(), "computed_from": 0}


@given(events())
def test_decomposed_events_give_the_same_review(given_events: list[AnyEvent]) -> None:
    """An event is the same, and a duplicate, whichever way senders compose its letters."""
    decomposed = [
        read(unicodedata.normalize("NFD", event.model_dump_json(exclude_unset=True)).encode())
        for event in given_events
    ]
    assert review(decomposed) == review(given_events)
    assert (
        review([*given_events, *decomposed]).as_json()["regional"]
        == review(given_events).as_json()["regional"]
    )


@given(events())
def test_review_adds_up(given_events: list[AnyEvent]) -> None:
    """No more is carried out than planned, nothing is below zero, and each event counts once."""
    computed = review(given_events)
    for tally in computed.tallies.values():
        assert 0 <= tally.carried_out <= tally.planned
    assert sum(tally.planned for tally in computed.tallies.values()) == len(computed.items)
    assert sum(computed.states.values()) == len(computed.projects)
    assert computed.source.events == len({event.id for event in given_events})
