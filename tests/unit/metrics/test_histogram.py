"""The relay's own histograms, beside the client library's."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as TheirHistogram

from relay.metrics.histogram import Histogram

BOUNDS = (0.001, 0.25, 1, 60, 1048576)
VALUES = st.lists(st.floats(-1, 2e6) | st.sampled_from([*BOUNDS, 0.0]))


@given(VALUES, VALUES)
def test_exposition_is_the_client_librarys(first: list[float], second: list[float]) -> None:
    """Whatever is observed, under two labels: Prometheus reads the very same text."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    own = Histogram("seconds", "How long.", ("target",), buckets=BOUNDS, registry=ours)
    other = TheirHistogram("seconds", "How long.", ("target",), buckets=BOUNDS, registry=theirs)
    for label, values in (("a", first), ("b", second)):
        own.labels(label)
        other.labels(label)
        for value in values:
            own.labels(label).observe(value)
            other.labels(label).observe(value)
    said = [line for line in generate_latest(theirs).splitlines() if b"_created" not in line]
    assert generate_latest(ours).splitlines() == said


def test_family_without_labels_is_there_from_the_start() -> None:
    """Zeros before the first observation, as all series have."""
    registry = CollectorRegistry()
    made = Histogram("sizes", "How large.", buckets=(1, 2), registry=registry)
    assert 'sizes_bucket{le="+Inf"} 0.0' in generate_latest(registry).decode()
    made.observe(2)
    assert 'sizes_bucket{le="2.0"} 1.0' in generate_latest(registry).decode()
