"""The rules of an attempt, for every kind of target."""

import asyncio

import pytest

from relay.delivery.settle import Verdict
from relay.errors import DeliveryReason
from tests.contract.targets.attempts import attempt, settled
from tests.contract.targets.case import Case
from tests.contract.targets.conftest import CASES, Configure, Open
from tests.support.waiting import DEADLINE

MANY = 100


async def test_delivered_attempt_has_arrived(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """When an attempt says delivered, its body stands at the other side; it has a duration."""
    settings = configure(case.options())
    target = open_target(settings)
    for n in range(3):
        result = await attempt(target, case, n)
        assert settled(settings, result).verdict is Verdict.DELIVERED, result
        assert (result.reason, result.detail, result.retry_after) == (None, "", None)
        assert result.at > 1_000_000_000
        assert 0 <= result.duration < DEADLINE
        assert sorted(await case.arrived()) == list(range(n + 1))


async def test_many_at_once_all_arrive(case: Case, configure: Configure, open_target: Open) -> None:
    """Attempts that are made together, more than any batch was begun with, each arrive once."""
    settings = configure(case.options())
    target = open_target(settings)
    results = await asyncio.gather(*(attempt(target, case, n) for n in range(MANY)))
    assert {settled(settings, result).verdict for result in results} == {Verdict.DELIVERED}
    assert sorted(await case.arrived()) == list(range(MANY))


async def test_failure_is_in_the_answer(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """Whatever is wrong at the other side, nothing is raised: a reason and a text, to try again."""
    for wrong, section in case.broken().items():
        settings = configure(section)
        result = await attempt(open_target(settings), case)
        decided = settled(settings, result)
        assert decided.verdict is Verdict.RETRY, (wrong, result)
        assert isinstance(decided.reason, DeliveryReason), wrong
        assert 0 < len(result.detail) <= 1000, wrong


async def test_failure_is_not_remembered(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """The same target delivers as soon as the other side takes deliveries again."""
    settings = configure(case.options())
    target = open_target(settings)
    await case.fail()
    for n in range(2):
        assert settled(settings, await attempt(target, case, n)).verdict is Verdict.RETRY
    await case.mend()
    assert settled(settings, await attempt(target, case, 2)).verdict is Verdict.DELIVERED
    assert 2 in await case.arrived()


@pytest.mark.parametrize(
    "case", [name for name, case in CASES.items() if case.refused is not None], indirect=True
)
async def test_refused_body_is_dead_at_once(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """A body that the target never takes is not tried again; others still arrive."""
    settings = configure(case.options())
    target = open_target(settings)
    refused = await attempt(target, case, body=case.refused)
    decided = settled(settings, refused)
    assert (decided.verdict, decided.reason) == (Verdict.DEAD, DeliveryReason.REFUSED)
    assert refused.detail
    assert settled(settings, await attempt(target, case, 1)).verdict is Verdict.DELIVERED
    assert await case.arrived() == [1]


async def test_cancelled_attempt_harms_no_other(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """An attempt that is cancelled on its way takes none of those beside or after it along."""
    settings = configure(case.options())
    target = open_target(settings)
    tasks = [asyncio.create_task(attempt(target, case, n)) for n in range(10)]
    await asyncio.sleep(0)  # each has begun
    cancelled, others = tasks[::2], tasks[1::2]
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    results = await asyncio.wait_for(asyncio.gather(*others), DEADLINE)
    results.append(await asyncio.wait_for(attempt(target, case, 10), DEADLINE))
    assert {settled(settings, result).verdict for result in results} == {Verdict.DELIVERED}
    assert {1, 3, 5, 7, 9, 10} <= set(await case.arrived())


async def test_close_lies_about_no_attempt(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """Attempts that are under way at a close all end, and those that say delivered have arrived."""
    settings = configure(case.options())
    target = open_target(settings)
    tasks = [asyncio.create_task(attempt(target, case, n)) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.wait_for(target.close(), DEADLINE)
    results = await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)
    verdicts = [settled(settings, result).verdict for result in results]
    assert set(verdicts) <= {Verdict.DELIVERED, Verdict.RETRY}
    delivered = {n for n, verdict in enumerate(verdicts) if verdict is Verdict.DELIVERED}
    assert delivered <= set(await case.arrived())


@pytest.mark.parametrize(
    "case", [name for name, case in CASES.items() if case.is_local], indirect=True
)
async def test_close_waits_for_what_is_being_written(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """All that was under way stands there after a close, and nothing is written behind it."""
    settings = configure(case.options())
    target = open_target(settings)
    tasks = [asyncio.create_task(attempt(target, case, n)) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.wait_for(target.close(), DEADLINE)
    assert sorted(await case.arrived()) == list(range(20))
    results = await asyncio.gather(*tasks)
    assert {settled(settings, result).verdict for result in results} == {Verdict.DELIVERED}


async def test_close_twice_does_no_harm(
    case: Case, configure: Configure, open_target: Open
) -> None:
    """Also of a target at which no attempt was made."""
    settings = configure(case.options())
    unused, used = open_target(settings), open_target(settings)
    await attempt(used, case)
    for target in (unused, used):
        await asyncio.wait_for(target.close(), DEADLINE)
        await asyncio.wait_for(target.close(), DEADLINE)
