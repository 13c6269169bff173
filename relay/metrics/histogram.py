"""Histograms that cost little to fill: a place is found by bisection, nothing is locked.

The client library's own walk over their bounds and take two locks, for each of the five that an
event fills. Here one thread counts, the loop's; another may read meanwhile, and sees numbers of the
same moment or the next. tests/integration/deliver/test_costs.py holds what it saves.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from relay.metrics.family import Samples


class Series:
    """The observations under one set of labels."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Return the cumulated counts by upper bound, and the sum of all values."""
        cumulated = accumulate(tuple(self._counts))
        bounds = map(_written, (*self._bounds, float("inf")))
        return list(zip(bounds, map(float, cumulated), strict=True)), self._sum


class Histogram(Collector):
    """A family of series; `bounds` are the buckets' upper bounds, rising, without infinity."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation = name, documentation
        self._label_names = labels
        self._bounds = tuple(float(bound) for bound in buckets)
        self._series: dict[tuple[str, ...], Series] = {}
        if not labels:
            self.labels()
        registry.register(self)

    def labels(self, *values: str) -> Series:
        """Return the series under these labels, made at zero if it is new."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = Series(self._bounds)
        return series

    def observe(self, value: float) -> None:
        """Count one value of a family without labels."""
        self._series[()].observe(value)

    def describe(self) -> Iterable[Metric]:
        """Return the family without its series."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Return the family as it stands."""
        family = self._family()
        family.samples = Samples(self._samples)
        yield family

    def _samples(self) -> Iterator[Sample]:
        for values, series in tuple(self._series.items()):
            family = self._family()
            buckets, total = series.read()
            family.add_metric(values, buckets, total)
            yield from family.samples

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._documentation, labels=self._label_names)


@cache
def _written(bound: float) -> str:
    # As the client library writes it; it left this function untyped.
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
