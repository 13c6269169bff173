"""The bars of the bench, kept by counting instructions beside those of the stateless forwarder.

How long they take goes with the machine; that they are not more does not. The forwarder is the
floor of the bars: a handler that reads the body, awaits one post to the target, and answers.
"""

import functools

import pytest

from tests.bench.instructions import per_event


@functools.cache
def forwarder() -> float:
    """Return what the forwarder takes for an event."""
    return per_event("forwarder", "pass-through").total


# A twentieth above what was counted: how many events share a commit differs from run to run.
@pytest.mark.parametrize(("scenario", "most"), [("pass-through", 1.03), ("github", 2.1)])
def test_an_event_takes_no_more_instructions_beside_the_forwarder(
    scenario: str, most: float
) -> None:
    """Durable, verified and delivered, in so many times the forwarder's."""
    found = per_event("relay", scenario)
    assert found.total / forwarder() <= most, found
