"""The relay's own counters, beside the client library's."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as TheirCounter

from relay.metrics.counter import Counter

ROUTES, OUTCOMES = ("a", 'b"\\\n', "\u1ee7"), ("accepted", "rejected")
LABELS = st.tuples(st.sampled_from(ROUTES), st.sampled_from((*OUTCOMES, "odd")))


def made(registry: CollectorRegistry) -> Counter:
    endings = ((one,) for one in OUTCOMES)
    return Counter(
        "relay_requests", "Text.", ("route", "outcome"), endings=endings, registry=registry
    )


@given(st.lists(LABELS))
def test_exposition_is_the_client_librarys(counted: Sequence[tuple[str, str]]) -> None:
    """Whatever is counted, zeros from the start included: Prometheus reads the same lines."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    own = made(ours)
    other = TheirCounter("relay_requests", "Text.", ("route", "outcome"), registry=theirs)
    for route in ROUTES[:2]:  # of the third, only what happens is shown
        own.begin(route)
        for outcome in OUTCOMES:
            other.labels(route, outcome)
    for labels in counted:
        own.labels(*labels).inc()
        other.labels(*labels).inc()
    said = [line for line in generate_latest(theirs).splitlines() if b"_created" not in line]
    assert sorted(generate_latest(ours).splitlines()) == sorted(said)


def test_what_never_happened_is_shown_but_not_kept() -> None:
    registry = CollectorRegistry()
    counter = made(registry)
    for n in range(1000):
        counter.begin(str(n))
    assert generate_latest(registry).count(b"} 0.0\n") == 2000
    assert not counter._counts


def test_same_labels_are_the_same_series() -> None:
    counter = made(CollectorRegistry())
    assert counter.labels("a", "accepted") is counter.labels("a", "accepted")
