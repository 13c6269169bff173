"""A kind of target under test: all that the suite can't find out about it by itself.

Each kind has one subclass, in a `case_<module>.py` of this folder; the suite finds them there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

Options = Mapping[str, Any]


class Case:
    """Real places for deliveries of one kind. `folder` is where the configuration stands."""

    key: ClassVar[str]  # the kind's key
    module: ClassVar[str]  # the kind's module in relay/targets
    # Environment variables to which references in `options` lead: secrets that nothing may show.
    secrets: ClassVar[Mapping[str, str]] = {}
    changes: ClassVar[Sequence[Options]] = ()  # options that differ from those of `options`
    # Whether attempts write by themselves: a `close` waits for them then.
    is_local: ClassVar[bool] = False
    # Whether the other side answers with HTTP statuses, as `answer` tells it.
    has_statuses: ClassVar[bool] = False
    refused: ClassVar[bytes | None] = None  # a body that it never takes

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def start(self) -> None:
        """Start what stands at the other side."""

    async def stop(self) -> None:
        """Stop it."""

    def options(self) -> Options:
        """Return a section that is delivered to, with references to all its secrets."""
        raise NotImplementedError

    def broken(self) -> Mapping[str, Options]:
        """Return sections whose deliveries all fail, by what is wrong."""
        raise NotImplementedError

    async def fail(self) -> None:
        """Have every delivery to the section of `options` fail from now on."""
        raise NotImplementedError

    async def mend(self) -> None:
        """Take deliveries again."""
        raise NotImplementedError

    def body(self, n: int) -> bytes:
        """Return a body that can be told from others by its number."""
        return b'{"n": %d}' % n

    async def arrived(self) -> Sequence[int]:
        """Return the numbers of the bodies that have arrived."""
        raise NotImplementedError

    async def answer(self, status: int, headers: Mapping[str, str]) -> None:
        """Answer the next attempt so."""
        raise NotImplementedError
