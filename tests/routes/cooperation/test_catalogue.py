"""The event catalogue takes its examples; a refusal names the fault in both languages."""

import json
import unicodedata
from datetime import date
from typing import Any, get_args

import pytest

from routes.cooperation.moment import parse
from routes.cooperation.payload import AnyEvent
from routes.cooperation.places import DEPARTMENTS, PLACES, PROGRAMMES, Department, Place, Programme
from tests.support.cooperation import EXAMPLES, SAMPLES, faults, first_year, read, sample

HELD = EXAMPLES["happening.held"]
TYPES = {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(AnyEvent)}
NEEDED = ("type", "programme", "place", "id", "department", "partners", "happened")


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_has_an_example_that_is_taken(kind: str) -> None:
    """There is an example of each type, and what is read of it is what it says."""
    assert faults(EXAMPLES[kind]) == {}
    assert read(EXAMPLES[kind]).model_dump(mode="json", exclude_unset=True) == EXAMPLES[kind]


@pytest.mark.parametrize("kind", TYPES)
def test_unknown_member_is_named(kind: str) -> None:
    """A member that the catalogue doesn't have is refused by its name, whatever the type."""
    assert faults({**EXAMPLES[kind], "colour": "red"}).keys() == {"colour"}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NEEDED[1:])
def test_what_every_event_names_is_needed(kind: str, name: str) -> None:
    """A member that a source leaves open is null or empty, never left out."""
    body = {key: value for key, value in EXAMPLES[kind].items() if key != name}
    assert name in faults(body)


@pytest.mark.parametrize("kind", TYPES)
def test_place_outside_the_programme_is_refused_with_a_message_that_says_so(kind: str) -> None:
    """A place that is no partner of the programme is refused by name, as sender and as partner."""
    for change in ({"programme": "north-and-north-central"}, {"partners": ["nghe-an"]}):
        found = faults({**EXAMPLES[kind], **change})
        told = " ".join(found.values())
        assert "does not take part in" in told
        assert "không thuộc chương trình này" in told


@pytest.mark.parametrize(
    ("change", "named", "said"),
    [
        ({"place": "hue"}, "place", "Input should be"),
        ({"department": "finance"}, "department", "Input should be"),
        ({"programme": "south"}, "programme", "Input should be"),
        ({"id": "khanh-hoa/1"}, "id", "a place numbers its own events"),
        ({"id": "1"}, "id", "pattern"),
        ({"corrects": "khanh-hoa/1"}, "corrects", "a place numbers its own events"),
        ({"corrects": HELD["id"]}, "corrects", "an event can't correct itself"),
        ({"partners": ["phu-yen", "phu-yen"]}, "partners", "twice"),
        ({"partners": ["ho-chi-minh-city"]}, "partners", "not your own"),
        ({"happening": "nghe-an/1"}, "happening", "does not take part in"),
        ({"happened": "2024-09-08T08:00:00"}, "happened", "with its zone"),
        ({"happened": "2024-13"}, "happened", "write 2023"),
        ({"happened": "08/9/2024"}, "happened", "write 2023"),
        ({"happened": 2024}, "happened", "write 2023"),
        ({"enterprises": "12"}, "enterprises", "valid integer"),
        ({"enterprises": -1}, "enterprises", "greater than or equal"),
        ({"approximate": ["visitors"]}, "approximate.0", "Input should be"),
        ({"title": ""}, "title", "at least 1"),
        ({"title": "a\u0000b"}, "title", "control characters"),
        ({"public": "yes"}, "public", "boolean"),
    ],
    ids=str,
)
def test_fault_is_named_and_explained(change: dict[str, Any], named: str, said: str) -> None:
    """A refusal names the member at fault, and says why."""
    found = faults({**HELD, **change})
    assert found.keys() == {named}
    assert said in found[named]


def test_bilateral_item_is_between_the_hub_and_one_partner() -> None:
    """Two partners are one too many; none is an item of which the source doesn't say with whom."""
    planned = EXAMPLES["item.planned"]
    assert "scope" in faults({**planned, "partners": ["khanh-hoa", "phu-yen"]})
    assert faults({**planned, "partners": []}) == {}
    assert faults({**planned, "scope": "regional", "partners": ["khanh-hoa", "phu-yen"]}) == {}


def test_obstacle_has_a_day_by_which_it_is_due() -> None:
    """Without one, nobody could tell that it is overdue; it is a day, not a number."""
    raised = EXAMPLES["obstacle.raised"]
    assert "due" in faults({key: value for key, value in raised.items() if key != "due"})
    assert "due" in faults({**raised, "due": 1720000000})


def test_agreement_names_who_signed() -> None:
    """An agreement with nobody is none."""
    assert "partners" in faults({**EXAMPLES["agreement.signed"], "partners": []})


def test_decomposed_text_is_taken_and_composed() -> None:
    """A body in NFD is the same event as in NFC; nothing of it is refused."""
    body = unicodedata.normalize("NFD", json.dumps(HELD, ensure_ascii=False))
    assert body != json.dumps(HELD, ensure_ascii=False)
    assert read(body.encode()) == read(HELD)


def test_either_tone_placement_is_kept_as_it_is_written() -> None:
    """Khánh Hòa and Khánh Hoà are both right; neither is refused or rewritten."""
    for name in ("Khánh Hòa", "Khánh Hoà", "thuỷ sản", "thủy sản"):
        found = read({**HELD, "title": unicodedata.normalize("NFD", name)})
        assert found.model_dump()["title"] == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2023", date(2023, 1, 1), date(2023, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2023-12", date(2023, 12, 1), date(2023, 12, 31)),
        ("2023-03-25", date(2023, 3, 25), date(2023, 3, 25)),
        ("2023-03-25T08:30:00+07:00", date(2023, 3, 25), date(2023, 3, 25)),
        ("2023-03-24T18:30Z", date(2023, 3, 25), date(2023, 3, 25)),
    ],
)
def test_moment_is_as_exact_as_it_is_written(text: str, first: date, last: date) -> None:
    """A year, a month or a day is the whole of it, in Viet Nam.

    A time with a zone falls on the day that it is there.
    """
    assert (parse(text).first, parse(text).last) == (first, last)


def test_every_code_has_its_names() -> None:
    """Every code has its names; each place but the hub is a partner in one programme."""
    assert set(PLACES) == set(Place)
    assert set(DEPARTMENTS) == set(Department)
    assert set(PROGRAMMES) == set(Programme)
    partners = [place for agreed in PROGRAMMES.values() for place in agreed.partners]
    assert len(partners) == len(set(partners)) == len(Place) - 1
    for name in (
        *PLACES.values(),
        *DEPARTMENTS.values(),
        *(agreed.name for agreed in PROGRAMMES.values()),
    ):
        for text in (name.vi, name.en, name.short):
            assert text
            assert unicodedata.is_normalized("NFC", text)


def test_samples_say_what_stays_open() -> None:
    """`about` lists every member that the source leaves open, and no other."""
    for path in SAMPLES:
        if path.name.startswith("refused-"):
            continue
        found = sample(path)
        told = found["about"].rpartition("Open: ")[2].removesuffix(".")
        left_open = [name for name, value in found["body"].items() if value is None or value == []]
        assert set(told.split(", ")) == set(left_open or ["nothing"]), path.name


def test_samples_hold_no_id_twice() -> None:
    """Each is an event of its own."""
    ids = [body["id"] for body in first_year()]
    assert len(ids) == len(set(ids)) == 60
