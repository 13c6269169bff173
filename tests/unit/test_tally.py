"""Counters and histograms by labels: a scrape reads what it would of prometheus_client's own, zeros included."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from relay.tally import Counts, Spreads

BOUNDS = (0.001, 0.5, 1, 1000000)
ROUTES, OUTCOMES = ("a", 'b"\\\n', "ủ"), ("accepted", "rejected")
LABELS = st.tuples(st.sampled_from(ROUTES), st.sampled_from(OUTCOMES))
VALUES = st.floats(-1, 2e6) | st.sampled_from([0.0, 0.001, 0.5, 1.0, 1000000.0])


def lines(registry: CollectorRegistry) -> list[str]:
    return sorted(generate_latest(registry).decode().splitlines())


@given(st.lists(LABELS), st.lists(st.tuples(st.sampled_from(ROUTES), VALUES)))
def test_scrape_reads_what_the_library_would_say(
    counted: Sequence[tuple[str, str]], observed: Sequence[tuple[str, float]]
) -> None:
    own, library = CollectorRegistry(), CollectorRegistry()
    counts = Counts(own, "relay_requests", "Text.", ("route", "outcome"), ((one,) for one in OUTCOMES))
    counter = Counter("relay_requests", "Text.", ("route", "outcome"), registry=library)
    spreads = Spreads(own, "relay_seconds", "Text.", ("route",), BOUNDS)
    histogram = Histogram("relay_seconds", "Text.", ("route",), buckets=BOUNDS, registry=library)
    for route in ROUTES[:2]:  # of the third, what happened is shown
        counts.begin(route)
        spreads.begin(route)
        histogram.labels(route)
        for outcome in OUTCOMES:
            counter.labels(route, outcome)
    for labels in counted:
        counts.labels(*labels).inc()
        counter.labels(*labels).inc()
    for route, value in observed:
        spreads.labels(route).observe(value)
        histogram.labels(route).observe(value)
    assert lines(own) == [line for line in lines(library) if "_created" not in line]


def test_what_never_happened_is_shown_but_not_kept() -> None:
    registry = CollectorRegistry()
    counts = Counts(registry, "relay_requests", "Text.", ("route", "outcome"), ((one,) for one in OUTCOMES))
    for n in range(1000):
        counts.begin(str(n))
    assert generate_latest(registry).count(b"} 0.0\n") == 2000
    assert not counts._series


def test_same_labels_are_the_same_series() -> None:
    counts = Counts(CollectorRegistry(), "relay_requests", "Text.", ("route",))
    assert counts.labels("a") is counts.labels("a")
