"""Forwards: which of them take an event, and to which targets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.event import Owed
from relay.expression.cel import Expression, Scope
from relay.routing.choose import Choice, Chooser, ForwardOutcome, choose
from relay.routing.route import Each, Forward
from tests.unit.routing.routes import event

TARGETS = {"inbox", "chat", "partner-hue", "partner-vinh"}
EACH = Each(Expression("body.partners"), Expression('"partner-" + item', "item"))


def scope(body: Any) -> Scope:
    return Scope({"body": body, "headers": {}, "query": {}})


def chosen(*forwards: Forward, body: Any = None) -> Choice:
    """Return the choice, after asking a Chooser for the same one, twice."""
    choice = choose(forwards, event(), scope(body), TARGETS)
    chooser = Chooser(forwards)
    for _ in range(2):
        assert chooser.choose(event(), scope(body), TARGETS) == choice
    return choice


def outcomes(choice: Choice) -> list[ForwardOutcome]:
    return [decision.outcome for decision in choice.decisions]


def forwards_of(choice: Choice) -> list[str]:
    return [owed.forward for owed in choice.owed]


def test_forward_without_when_takes_everything() -> None:
    """Each such forward owes one delivery, in the file's order."""
    choice = chosen(Forward("inbox", "inbox"), Forward("chat-2", "chat", ordered=True))
    assert choice.owed == (Owed("inbox", "inbox"), Owed("chat-2", "chat", ordered=True))
    assert outcomes(choice) == [ForwardOutcome.OWED, ForwardOutcome.OWED]


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("event.type == 'push'", ForwardOutcome.OWED),
        ("event.type == 'tag'", ForwardOutcome.SKIPPED),
        (
            "event.key == 'k' && event.route == 'hello' && event.dedupe_id == 'd'",
            ForwardOutcome.OWED,
        ),
        ("event.received > timestamp('2020-01-01T00:00:00Z')", ForwardOutcome.OWED),
        ("body.missing == 1", ForwardOutcome.ERROR),
        ("body.text", ForwardOutcome.ERROR),
        ("body.one", ForwardOutcome.ERROR),
        ("body.none", ForwardOutcome.ERROR),
    ],
)
def test_when_says_yes_no_or_fails(when: str, outcome: ForwardOutcome) -> None:
    """True owes, false skips; a failure, or no boolean, is an error and never a silent no."""
    body = {"text": "yes", "one": 1, "none": None}
    choice = chosen(Forward("chat", "chat", when=Expression(when)), body=body)
    assert outcomes(choice) == [outcome]
    assert bool(choice.owed) is (outcome is ForwardOutcome.OWED)
    assert bool(choice.failures) is (outcome is ForwardOutcome.ERROR)
    assert bool(choice.decisions[0].detail) is (outcome is ForwardOutcome.ERROR)


def test_forward_that_fails_hinders_no_other() -> None:
    """An error names its forward and target; the others owe what they owe."""
    failing = Forward("chat", "chat", when=Expression("body.a > 1"))
    choice = chosen(failing, Forward("inbox", "inbox"), body={})
    assert choice.owed == (Owed("inbox", "inbox"),)
    assert choice.decisions[0][:3] == ("chat", "chat", ForwardOutcome.ERROR)
    assert choice.failures == choice.decisions[:1]


@pytest.mark.parametrize(
    ("partners", "targets"),
    [
        (["hue"], ["partner-hue"]),
        (["vinh", "hue"], ["partner-vinh", "partner-hue"]),
        (["hue", "vinh", "hue", "hue"], ["partner-hue", "partner-vinh"]),
        ([], []),
    ],
)
def test_recipient_list_owes_one_delivery_each(partners: list[str], targets: list[str]) -> None:
    """One delivery an item, in the list's order; who is named twice gets one."""
    choice = chosen(Forward("each", EACH), body={"partners": partners})
    assert choice.owed == tuple(Owed("each", target) for target in targets)


def test_empty_recipient_list_is_a_skip() -> None:
    """An event that goes to nobody is counted, too."""
    choice = chosen(Forward("each", EACH), body={"partners": []})
    assert outcomes(choice) == [ForwardOutcome.SKIPPED]


@pytest.mark.parametrize(
    "partners",
    [
        ["hue", "nowhere"],
        ["hue", 5],
        ["hue", None],
        "hue",
        None,
        {"hue": 1},
        5,
        [[]],
        ["hue"] * 10_001,
    ],
)
def test_recipient_list_that_names_no_target_is_an_error(partners: Any) -> None:
    """One unknown recipient, or a list made to keep the relay busy: nobody gets half of it."""
    choice = chosen(Forward("each", EACH), Forward("inbox", "inbox"), body={"partners": partners})
    assert choice.owed == (Owed("inbox", "inbox"),)
    assert choice.decisions[0][:3] == ("each", "", ForwardOutcome.ERROR)


@given(partners=st.lists(st.sampled_from(["hue", "vinh"])))
def test_nobody_gets_an_event_twice_from_one_forward(partners: list[str]) -> None:
    """However often a recipient is listed, it gets one delivery."""
    owed = chosen(Forward("each", EACH), body={"partners": partners}).owed
    recipients = {f"partner-{partner}" for partner in partners}
    assert sorted(one.target for one in owed) == sorted(recipients)


def test_decisions_are_added_up_by_target_and_outcome() -> None:
    """So that each series is increased once for an event."""
    choice = chosen(
        Forward("a", "chat", when=Expression("body.n == 1")),
        Forward("b", "chat", when=Expression("body.n == 2")),
        Forward("c", "chat", when=Expression("body.n == 3")),
        Forward("d", "inbox"),
        Forward("e", "chat", when=Expression("body.missing")),
        body={"n": 1},
    )
    assert dict(choice.counts) == {
        ("chat", ForwardOutcome.OWED): 1,
        ("chat", ForwardOutcome.SKIPPED): 2,
        ("inbox", ForwardOutcome.OWED): 1,
        ("chat", ForwardOutcome.ERROR): 1,
    }


BODIES = st.dictionaries(st.sampled_from(["n", "m"]), st.sampled_from([0, 1, True, False, "x"]))


@given(bodies=st.lists(BODIES, max_size=8))
def test_chooser_chooses_as_it_would_without_a_memory(bodies: list[dict[str, Any]]) -> None:
    """Whatever came before, failures included: the choice hangs on the event alone."""
    forwards = (
        Forward("a", "chat", when=Expression("body.n == 1")),
        Forward("b", "inbox"),
        Forward("c", "chat", when=Expression("body.m")),
    )
    chooser = Chooser(forwards)
    for body in bodies:
        expected = choose(forwards, event(), scope(body), TARGETS)
        assert chooser.choose(event(), scope(body), TARGETS) == expected


def test_same_choice_is_the_same_object() -> None:
    """A choice is made once for each set of forwards that take an event, and no failure is kept."""
    chooser = Chooser(
        (
            Forward("a", "chat", when=Expression("body.n == 1")),
            Forward("b", "inbox"),
            Forward("c", "chat"),
        )
    )

    def ask(body: dict[str, int]) -> Choice:
        return chooser.choose(event(), scope(body), TARGETS)

    first, second = ask({"n": 1}), ask({"n": 2})
    assert forwards_of(first) == ["a", "b", "c"]
    assert forwards_of(second) == ["b", "c"]
    assert ask({"n": 1}) is first
    assert ask({"n": 3}) is second
    assert outcomes(ask({})) == [ForwardOutcome.ERROR, ForwardOutcome.OWED, ForwardOutcome.OWED]
    assert ask({}) is not ask({})


def test_memory_of_a_chooser_is_bounded() -> None:
    """A route of many forwards may lead to more choices than are kept; all are right."""
    forwards = [Forward(f"f{n}", "chat", when=Expression(f"body.n{n}")) for n in range(9)]
    chooser = Chooser(forwards)
    for bits in range(1 << 9):
        taken = [n for n in range(9) if bits >> n & 1]
        body = {f"n{n}": n in taken for n in range(9)}
        choice = chooser.choose(event(), scope(body), TARGETS)
        assert forwards_of(choice) == [f"f{n}" for n in taken]
    assert len(chooser._choices) == 256
