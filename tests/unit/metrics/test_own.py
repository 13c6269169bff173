"""The user's own series: kept, refused, kept over a reload, and gauges restored from the store."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from relay.expression.cel import Expression
from relay.metrics.own import PayloadMetrics
from relay.routing.measure import Failure, Kind, Measure, Observation, Observed
from relay.routing.route import Route

ROUTE = "places"
LABEL = (("place", Expression("body.place")),)
Shown = dict[tuple[str, ...], float]


def route(*measures: Measure, name: str = ROUTE) -> Route:
    return Route(name, f"/in/{name}", {}, (), measures=measures)


def gauge(**more: Any) -> Measure:
    return Measure("open", Kind.GAUGE, labels=LABEL, **more)


def counter(**more: Any) -> Measure:
    return Measure("seen_total", Kind.COUNTER, labels=LABEL, **more)


class Kept:
    """The metrics of a registry, as a scrape shows them."""

    def __init__(self, *measures: Measure) -> None:
        self.registry = CollectorRegistry()
        self.metrics = PayloadMetrics(self.registry)
        self.seq = 0
        self.fit(*measures)

    def fit(self, *measures: Measure) -> None:
        self.metrics.fit({ROUTE: route(*measures)})

    def ready(self, *measures: Measure) -> None:
        """Restore from an empty store."""
        self.metrics.finish(self.metrics.begin(route(*measures)))

    def see(self, measure: Measure, *labels: str, value: float | None = 1.0) -> None:
        self.seq += 1
        self.metrics.observe(ROUTE, self.seq, Observed((Observation(measure, labels, value),)))

    def shown(self, name: str) -> Shown:
        text = generate_latest(self.registry).decode()
        return {
            tuple(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }


def test_counter_adds_up_a_gauge_is_set_and_goes_away() -> None:
    """Each series for itself."""
    kept = Kept(counter(), gauge())
    kept.ready(gauge())
    for place, value in (("hue", 2.0), ("vinh", 1.0), ("hue", 0.5)):
        kept.see(counter(), place, value=value)
        kept.see(gauge(), place, value=value)
    assert kept.shown("seen_total") == {("hue",): 2.5, ("vinh",): 1.0}
    assert kept.shown("open") == {("hue",): 0.5, ("vinh",): 1.0}
    kept.see(gauge(), "hue", value=None)
    kept.see(gauge(), "da-lat", value=None)
    assert kept.shown("open") == {("vinh",): 1.0}


def test_histogram_counts_by_bucket() -> None:
    """A bound belongs to its bucket; beyond the last is +Inf; the sum is told."""
    took = Measure("took", Kind.HISTOGRAM, buckets=(1.0, 2.5))
    kept = Kept(took)
    for value in (0.5, 1.0, 2.0, 99.0):
        kept.see(took, value=value)
    assert kept.shown("took_bucket") == {("1.0",): 2.0, ("2.5",): 3.0, ("+Inf",): 4.0}
    assert kept.shown("took_sum") == {(): 102.5}
    assert kept.shown("took_count") == {(): 4.0}


def test_what_has_no_labels_stands_at_zero_from_the_start() -> None:
    """But for a gauge, which nobody has set yet."""
    kept = Kept(
        Measure("a_total", Kind.COUNTER), Measure("b", Kind.GAUGE), Measure("c", Kind.HISTOGRAM)
    )
    assert kept.shown("a_total") == {(): 0.0}
    assert kept.shown("b") == {}
    assert kept.shown("c_count") == {(): 0.0}
    assert set(kept.shown("relay_metric_errors_total")) == {
        (name, ROUTE) for name in ("a_total", "b", "c")
    }


def test_series_beyond_the_bound_are_refused_and_counted() -> None:
    """Those that are there go on; a gauge's that goes away makes room."""
    kept = Kept(counter(most=2), gauge(most=1))
    kept.ready(gauge(most=1))
    for place in ("hue", "vinh", "da-lat", "hue", "sa-pa"):
        kept.see(counter(most=2), place)
    assert kept.shown("seen_total") == {("hue",): 2.0, ("vinh",): 1.0}
    for place, value in (("hue", 1.0), ("vinh", 1.0), ("hue", None), ("vinh", 2.0)):
        kept.see(gauge(most=1), place, value=value)
    assert kept.shown("open") == {("vinh",): 2.0}
    refused = kept.shown("relay_metric_series_refused_total")
    assert refused == {("seen_total", ROUTE): 2.0, ("open", ROUTE): 1.0}


def test_failures_are_counted() -> None:
    """By route and metric."""
    kept = Kept(counter())
    kept.metrics.observe(
        ROUTE, 1, Observed((), (Failure(counter(), "why"), Failure(counter(), "why")))
    )
    assert kept.shown("relay_metric_errors_total") == {("seen_total", ROUTE): 2.0}


@pytest.mark.parametrize(
    ("after", "goes_on"),
    [
        (counter(help="another text", most=5), True),
        (counter(when=Expression("false")), True),
        (replace(counter(), labels=(("province", Expression("body.place")),)), False),
        (replace(counter(), kind=Kind.HISTOGRAM), False),
    ],
)
def test_reload_keeps_series_that_mean_the_same(after: Measure, *, goes_on: bool) -> None:
    """Other labels or another type begin afresh: old series would be a lie."""
    kept = Kept(counter())
    kept.see(counter(), "hue")
    kept.fit(after)
    assert (kept.shown("seen_total") == {("hue",): 1.0}) is goes_on
    kept.see(counter(), "hue")  # of an event that was decided on before the reload
    assert (kept.shown("seen_total") == {("hue",): 2.0}) is goes_on
    kept.fit()
    assert kept.shown("seen_total") == {}


def test_reload_restores_a_gauge_only_if_it_observes_something_else() -> None:
    """One that is the same keeps its series, and the store is not asked."""
    kept = Kept(gauge())
    kept.ready(gauge())
    kept.see(gauge(), "hue")
    kept.fit(gauge(help="another text"), counter())
    assert kept.shown("open") == {("hue",): 1.0}
    assert not kept.metrics.unrestored
    kept.fit(gauge(value=Expression("2")))
    assert kept.shown("open") == {}
    assert list(kept.metrics.unrestored) == [ROUTE]


def test_event_decided_before_a_reload_has_the_gauge_restored_again() -> None:
    """Its observation is of the old rules: only the store can tell what it is by the new ones."""
    kept = Kept(gauge())
    changed = gauge(value=Expression("2"))
    kept.fit(changed)
    kept.ready(changed)
    kept.see(gauge(), "hue")
    assert kept.shown("open") == {}
    assert list(kept.metrics.unrestored) == [ROUTE]


# --- restoring ------------------------------------------------------------------------------------


@dataclass
class Simulation:
    """A store whose events are committed one by one, and a restorer that reads it page by page.

    Events are [labels, value, whether they are in quarantine]; their number is their place, from 1.
    """

    page: int = 2
    gauge: Measure = field(default_factory=gauge)
    stored: list[tuple[str, float | None, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = Kept(self.gauge)

    def commit(self, place: str, value: float | None, *, quarantined: bool = False) -> None:
        self.stored.append((place, value, quarantined))
        if not quarantined:
            self.kept.seq = len(self.stored) - 1
            self.kept.see(self.gauge, place, value=value)

    def release(self, choice: int) -> None:
        waiting = [n for n, (_, _, quarantined) in enumerate(self.stored) if quarantined]
        if waiting:
            n = waiting[choice % len(waiting)]
            place, value, _ = self.stored[n]
            self.stored[n] = (place, value, False)
            observed = Observed((Observation(self.gauge, (place,), value),))
            self.kept.metrics.release(ROUTE, n + 1, observed)

    def restore(self) -> Iterator[None]:
        """Restore as the Restorer does, giving way after each step, where the real one awaits."""
        while self.kept.metrics.unrestored:
            gauges = self.kept.metrics.begin(route(self.gauge))
            beyond = 0
            while True:
                gauges.forget_meanwhile()
                yield
                page = list(enumerate(self.stored, 1))[beyond : beyond + self.page]
                yield
                for seq, (place, value, quarantined) in page:
                    if not quarantined:
                        gauges.add(seq, [Observation(self.gauge, (place,), value)])
                    yield
                if len(page) < self.page:
                    break
                beyond = page[-1][0]
            self.kept.metrics.finish(gauges)

    def expected(self) -> Shown:
        """Return the value of each place's last accepted event, while there is room for places."""
        shown: Shown = {}
        for place, value, quarantined in self.stored:
            if quarantined:
                continue
            if value is None:
                shown.pop((place,), None)
            elif (place,) in shown or len(shown) < self.gauge.most:
                shown[(place,)] = value
        return shown


PLACE = st.sampled_from(["hue", "vinh", "da-lat"])
VALUE = st.none() | st.integers(0, 9).map(float)
STEPS = st.lists(
    st.tuples(st.just("commit"), PLACE, VALUE, st.booleans())
    | st.tuples(st.just("release"), st.integers(0, 5))
    | st.just(("restore",)),
    max_size=40,
)


@given(before=STEPS, steps=STEPS, page=st.integers(1, 6), most=st.integers(2, 3))
# An event that came while the page was read stands in it too: it must not count twice.
@example(
    before=[("commit", "hue", 1.0, False), ("commit", "vinh", 1.0, False), ("restore",)],
    steps=[("commit", "da-lat", 1.0, False), ("commit", "vinh", None, False)],
    page=6,
    most=2,
)
def test_restored_gauges_are_what_the_last_event_says(
    before: Any, steps: Any, page: int, most: int
) -> None:
    """However commits, releases from quarantine and the restorer's steps fall together."""
    simulation = Simulation(page, gauge(most=most))
    restoring = simulation.restore()
    for step in (*before, *steps):
        match step:
            case "commit", place, value, quarantined:
                simulation.commit(place, value, quarantined=quarantined)
            case "release", choice:
                simulation.release(choice)
            case _:
                if next(restoring, restoring) is restoring and simulation.kept.metrics.unrestored:
                    restoring = simulation.restore()
    for _ in restoring:
        pass
    for _ in simulation.restore():
        pass
    assert simulation.kept.shown("open") == simulation.expected()


def test_gauge_shows_nothing_until_it_is_restored_and_the_old_until_it_is_restored_again() -> None:
    """No series rather than wrong ones; while a release has them made anew, the old ones go on."""
    simulation = Simulation()
    simulation.stored = [("hue", 1.0, False), ("vinh", 2.0, True), ("hue", 3.0, False)]
    restoring = simulation.restore()
    next(restoring)
    simulation.commit("da-lat", 4.0)
    assert simulation.kept.shown("open") == {}
    for _ in restoring:
        pass
    assert simulation.kept.shown("open") == {("hue",): 3.0, ("da-lat",): 4.0}
    simulation.release(0)
    restoring = simulation.restore()
    next(restoring)
    simulation.commit("hue", 5.0)
    assert simulation.kept.shown("open") == {("hue",): 5.0, ("da-lat",): 4.0}
    for _ in restoring:
        pass
    assert simulation.kept.shown("open") == {("hue",): 5.0, ("vinh",): 2.0, ("da-lat",): 4.0}
