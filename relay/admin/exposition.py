"""The text that Prometheus scrapes, a family at a time: all of it can be megabytes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple, cast

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

MEDIA_TYPE = CONTENT_TYPE_LATEST


async def families(registry: CollectorRegistry) -> AsyncIterator[bytes]:
    """Yield one family after the other, written in another thread."""
    remaining = iter(registry.collect())
    while text := await asyncio.to_thread(_next_text, remaining):
        yield text


class _Family(NamedTuple):
    """A collector of one family."""

    family: Metric

    def collect(self) -> Iterable[Metric]:
        return (self.family,)


def _next_text(remaining: Iterator[Metric]) -> bytes:
    """Return the next family as Prometheus reads it, nothing after the last."""
    family = next(remaining, None)
    return b"" if family is None else generate_latest(cast("Collector", _Family(family)))
