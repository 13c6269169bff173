"""A family's samples, made one by one while they are read: all at once they can take megabytes."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.samples import Sample


class Samples(list[Sample]):
    """A list to the client library, which only ever iterates over it."""

    def __init__(self, make: Callable[[], Iterable[Sample]]) -> None:
        super().__init__()
        self._make = make

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._make())
