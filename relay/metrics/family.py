"""A family's samples, made one by one while they are read: all at once they can take megabytes."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.samples import Sample


class Samples(list[Sample]):
    """What the client library takes for a list, and only ever iterates over."""

    def __init__(self, make: Callable[[], Iterable[Sample]]) -> None:
        super().__init__()
        self._make = make

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._make())
