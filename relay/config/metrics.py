"""`metrics:` of a route to measures: names that Prometheus takes, expressions compiled."""

from relay.config import models
from relay.config.expression import TEXT, compiled, optional
from relay.config.source import Source
from relay.routing.measure import DEFAULT_BUCKETS, Kind, Measure

_NUMBER = ("INT", "UINT", "DOUBLE", "TIMESTAMP", "DURATION")


def measures(source: Source, files: list[models.MetricFile]) -> tuple[Measure, ...]:
    """Return the route's own metrics, after noting what is wrong with any."""
    return tuple(_measure(source, ("metrics", n), file) for n, file in enumerate(files))


def clash(source: Source, route: str, measures: tuple[Measure, ...], taken: dict[str, str]) -> None:
    """Note names that a route has twice, or that another route has; `taken`: names to routes."""
    for n, measure in enumerate(measures):
        for name in measure.samples:
            if name in taken:
                message = f"the route {taken[name]} has a metric that gives {name} already"
                source.problem(("metrics", n, "name"), message, "give one another name")
                break
        taken |= dict.fromkeys(measure.samples, route)


def _measure(source: Source, path: tuple[str | int, ...], file: models.MetricFile) -> Measure:
    kind = Kind(file.type)
    _check(source, path, file, kind)
    scope = "event" if file.each is None else "item"
    return Measure(
        name=file.name,
        kind=kind,
        help=file.help,
        value=optional(source, (*path, "value"), file.value, _NUMBER, scope),
        labels=tuple(
            (label, expression)
            for label, text in file.labels.items()
            if (expression := compiled(source, (*path, "labels", label), text, scope, TEXT))
        ),
        when=optional(source, (*path, "when"), file.when, ("BOOL",), scope),
        each=optional(source, (*path, "each"), file.each, ("LIST",)),
        remove=optional(source, (*path, "remove"), file.remove, ("BOOL",), scope),
        buckets=DEFAULT_BUCKETS if file.buckets is None else tuple(file.buckets),
        most=file.series,
    )


def _check(
    source: Source, path: tuple[str | int, ...], file: models.MetricFile, kind: Kind
) -> None:
    """Note what fits a metric of another kind."""
    total = file.name.endswith("_total")
    if kind is Kind.COUNTER and not total:
        source.problem(
            (*path, "name"),
            f"the counter {file.name} does not end in _total",
            "let it end in _total",
        )
    if kind is not Kind.COUNTER and total:
        source.problem(
            (*path, "name"),
            f"{file.name} ends in _total, as only counters do",
            "give it another name",
        )
    if kind is not Kind.GAUGE and file.remove is not None:
        source.problem(
            (*path, "remove"),
            f"the series of a {kind} can't go away",
            "keep `remove` for gauges",
            key=True,
        )
    if kind is not Kind.HISTOGRAM and file.buckets is not None:
        source.problem(
            (*path, "buckets"),
            f"a {kind} has no buckets",
            "keep `buckets` for histograms",
            key=True,
        )
    if kind is Kind.HISTOGRAM and "le" in file.labels:
        source.problem(
            (*path, "labels", "le"),
            "le is a histogram's own label",
            "give it another name",
            key=True,
        )
