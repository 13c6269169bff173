"""Counters by labels for thousands of routes and targets: a series at zero takes no memory.

Every series stands at zero from the start, as Prometheus wants it; but one that is at zero is only
a line in the answer to a scrape. Here one thread counts, the loop's; another may read meanwhile.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from relay.metrics.family import Samples

Labels = tuple[str, ...]


class Count:
    """How often something happened, under one set of labels."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, count: int = 1) -> None:
        """Count so many more."""
        self.value += count


class Counter(Collector):
    """A family of series; those with `endings` as last labels stand at zero from the start."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        endings: Iterable[Labels],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation = name, documentation
        self._label_names = labels
        self._endings = tuple(endings)
        self._begun: dict[Labels, None] = {}
        self._counts: dict[Labels, Count] = {}
        registry.register(self)

    def begin(self, *values: str) -> None:
        """Show the series with these first labels, each with all endings."""
        self._begun[values] = None

    def labels(self, *values: str) -> Count:
        """Return the series under these labels, made at zero if it is new."""
        count = self._counts.get(values)
        if count is None:
            count = self._counts[values] = Count()
        return count

    def describe(self) -> Iterable[Metric]:
        """Return the family without its series."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Return the family as it stands."""
        family = self._family()
        family.samples = Samples(self._samples)
        yield family

    def _samples(self) -> Iterator[Sample]:
        counts, none = self._counts.copy(), Count()
        for first in tuple(self._begun):
            family = self._family()
            for ending in self._endings:
                values = (*first, *ending)
                family.add_metric(values, counts.pop(values, none).value)
            yield from family.samples
        for values, count in counts.items():
            family = self._family()
            family.add_metric(values, count.value)
            yield from family.samples

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(self._name, self._documentation, labels=self._label_names)
