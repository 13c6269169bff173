"""Counters and histograms by labels for thousands of routes and targets: what never happened costs no memory.

Every series stands at zero from the start, as Prometheus wants it, but one that is at zero is only a line of the answer
to a scrape. Nothing is locked: the loop alone counts, and a scrape in another thread reads what it finds.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar, cast

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]
S = TypeVar("S")


class Count:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        """Count one more."""
        self.value += 1


class Spread:
    """One series of a histogram: counts between the bounds, and the sum."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Take one more value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class _Family(Collector, Generic[S]):
    """All series of one name. Those that `begin` names are shown with each of `tails` as their last labels."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, tails: Iterable[Labels],
        make: Callable[[], S],
    ) -> None:  # fmt: skip
        self._name = name
        self._text = text
        self._names = labels
        self._tails = tuple(tails)
        self._make = make
        self._heads: dict[Labels, None] = {}
        self._series: dict[Labels, S] = {}
        registry.register(self)

    def begin(self, *head: str) -> None:
        """Show the series with these first labels from now on."""
        self._heads[head] = None

    def labels(self, *labels: str) -> S:
        """Return a series; it is shown from now on."""
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = self._make()
        return found

    def describe(self) -> Iterable[Metric]:
        """Name the family, so that no other takes its name."""
        return (self._metric(()),)

    def collect(self) -> Iterable[Metric]:
        """Return the family; its samples are made one by one, while they are read."""
        family = self._metric(())
        family.samples = cast("list[Sample]", _Samples(self))
        return (family,)

    def samples(self) -> Iterator[Sample]:
        """Make every series' samples."""
        kept, none = self._series.copy(), self._make()
        for head in list(self._heads):
            found = [((*head, *tail), kept.pop((*head, *tail), none)) for tail in self._tails]
            yield from self._metric(found).samples
        for labels, one in kept.items():
            yield from self._metric([(labels, one)]).samples

    def _metric(self, series: Iterable[tuple[Labels, S]]) -> Metric:
        raise NotImplementedError


class _Samples:
    """The samples of a family, to be iterated over."""

    def __init__(self, family: "_Family[S]") -> None:
        self._family = family

    def __iter__(self) -> Iterator[Sample]:
        return self._family.samples()


class Counts(_Family[Count]):
    """A counter by labels."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, tails: Iterable[Labels] = ((),)
    ) -> None:  # fmt: skip
        super().__init__(registry, name, text, labels, tails, Count)

    def _metric(self, series: Iterable[tuple[Labels, Count]]) -> Metric:
        family = CounterMetricFamily(self._name, self._text, labels=self._names)
        for labels, one in series:
            family.add_metric(labels, one.value)
        return family


class Spreads(_Family[Spread]):
    """A histogram by labels; `bounds` are its upper bounds, rising."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, bounds: Sequence[float]
    ) -> None:
        super().__init__(registry, name, text, labels, ((),), lambda: Spread(bounds))
        # The library left it untyped.
        self._bounds = [str(floatToGoString(bound)) for bound in (*bounds, float("inf"))]  # type: ignore[no-untyped-call]

    def _metric(self, series: Iterable[tuple[Labels, Spread]]) -> Metric:
        family = HistogramMetricFamily(self._name, self._text, labels=self._names)
        for labels, one in series:
            buckets = list(zip(self._bounds, map(float, accumulate(one.counts)), strict=True))
            family.add_metric(labels, buckets, one.sum)
        return family
