"""Observations: the values of an event for the user's own metrics, and their failures."""

import time
from typing import Any

import pytest

from relay.expression.cel import Expression, Scope
from relay.routing.measure import Failure, Kind, Measure, Observation, observe

NOW = "2026-11-23T08:00:00Z"


def scope(body: Any) -> Scope:
    return Scope({"body": body, "headers": {}, "query": {}, "event.type": "push"})


def measure(kind: Kind = Kind.GAUGE, **texts: Any) -> Measure:
    inner = "item" if "each" in texts else "event"
    expressions: dict[str, Any] = {
        name: Expression(text, "event" if name == "each" else inner)
        for name, text in texts.items()
        if name != "labels"
    }
    labels = tuple(
        (name, Expression(text, inner)) for name, text in texts.get("labels", {}).items()
    )
    return Measure("some", kind, labels=labels, **expressions)


def values(metric: Measure, body: Any) -> list[tuple[tuple[str, ...], float | None]]:
    observed = observe([metric], scope(body), 1.0)
    assert observed.failures == ()
    return [(labels, value) for _, labels, value in observed.observations]


def failed(metric: Measure, body: Any) -> str:
    observed = observe([metric], scope(body), 1.0)
    assert observed.observations == ()
    (failure,) = observed.failures
    return failure.detail


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 1.0),
        ("size(body.list)", 3.0),
        ("body.n", 2.5),
        ("1u", 1.0),
        (f'timestamp("{NOW}")', 1795420800.0),
        ("timestamp(body.at)", 1795420800.0),
        ('timestamp(body.at) - timestamp("2026-11-23T07:59:00Z")', 60.0),
        ("-body.n", -2.5),
    ],
)
def test_value_is_a_number_a_time_or_a_duration(value: str | None, expected: float) -> None:
    """1 without one; times are seconds since the epoch, durations seconds."""
    texts: dict[str, Any] = {"value": value} if value else {}
    assert values(measure(**texts), {"list": [1, 2, 3], "n": 2.5, "at": NOW}) == [((), expected)]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"value": "body.nothing"}, "Key not found"),
        ({"value": "body.text"}, "value: a number is needed, this is a str"),
        ({"value": "body.yes"}, "value: a number is needed, this is a bool"),
        ({"value": "timestamp(body.text)"}, "String to Timestamp"),
        ({"value": "1.0 / 0.0"}, "value: it is not finite"),
        ({"labels": {"a": "body.nothing"}}, "labels.a: Key not found"),
        ({"labels": {"a": "body"}}, "labels.a: "),
        ({"when": "body.text"}, "when: true or false is needed, this is a str"),
        ({"remove": "body.text"}, "remove: true or false is needed, this is a str"),
        ({"each": "body.text"}, "each: a list is needed, this is a str"),
        ({"each": "body.nothing"}, "each: Key not found"),
    ],
)
def test_failure_tells_its_reason(texts: dict[str, Any], why: str) -> None:
    """Nothing is raised, whatever the body is."""
    assert why in failed(measure(**texts), {"text": "x", "yes": True})


def test_counter_can_not_fall() -> None:
    """A negative value is a failure of a counter alone."""
    assert "a counter can't fall by 2" in failed(measure(Kind.COUNTER, value="-2"), {})
    assert values(measure(Kind.HISTOGRAM, value="-2"), {}) == [((), -2.0)]


def test_each_item_is_observed_and_one_failure_spoils_no_other() -> None:
    """`item` is known in value, labels and when; items that fail are told, the others observed."""
    metric = measure(
        each="body.places",
        value="item.n",
        labels={"place": "item.name"},
        when='item.name != "vinh"',
    )
    places = [
        {"name": "hue", "n": 1},
        {"name": "vinh", "n": 2},
        {"name": "sa-pa"},
        {"name": "da-lat", "n": 4},
    ]
    observed = observe([metric], scope({"places": places}), 1.0)
    assert observed.observations == (
        Observation(metric, ("hue",), 1.0),
        Observation(metric, ("da-lat",), 4.0),
    )
    assert observed.failures == (Failure(metric, 'Key not found in map : "n"'),)


def test_one_metric_that_fails_spoils_no_other() -> None:
    """Each metric of a route stands for itself."""
    bad, good = measure(each="body.x"), measure(labels={"type": "event.type"})
    observed = observe([bad, good], scope({}), 1.0)
    assert [failure.measure for failure in observed.failures] == [bad]
    assert [observation[:2] for observation in observed.observations] == [(good, ("push",))]


def test_series_goes_away_where_remove_holds() -> None:
    """The value is not looked at: a thing that is over may have none."""
    metric = measure(value="body.due", labels={"id": "body.id"}, remove="!has(body.due)")
    assert values(metric, {"id": "a", "due": 5}) == [(("a",), 5.0)]
    assert values(metric, {"id": "a"}) == [(("a",), None)]


def test_labels_are_text_that_every_reader_takes() -> None:
    """Numbers and null become text; no control or half character reaches /metrics; it is short."""
    metric = measure(labels={"a": "body.n", "b": "body.none", "c": "body.text", "d": "body.long"})
    body = {"n": 3, "none": None, "text": "Huế\n\x00\tx", "long": "y" * 1000}
    assert values(metric, body) == [(("3", "", "Huế   x", "y" * 200), 1.0)]


def test_endless_list_is_cut_off_by_the_routes_time() -> None:
    """Observing that takes too long is a failure; the observations until then stand."""

    class Slow(Scope):
        def widened(self, values: Any) -> Scope:
            time.sleep(0.02)
            return super().widened(values)

    metric = measure(each="body.list")
    observed = observe(
        [metric], Slow({"body": {"list": list(range(10_000))}, "headers": {}, "query": {}}), 0.05
    )
    assert [failure.detail for failure in observed.failures] == ["the metrics took over 0.05 s"]
    assert len(observed.observations) < 10_000
