"""The meaning of an HTTP status, for every kind of target that is answered with one."""

import pytest

from relay.delivery.settle import Verdict
from relay.errors import DeliveryReason
from tests.contract.targets.attempts import attempt, settled
from tests.contract.targets.case import Case
from tests.contract.targets.conftest import CASES, Configure, Open

pytestmark = pytest.mark.parametrize(
    "case", [name for name, case in CASES.items() if case.has_statuses], indirect=True
)
MEANING = {
    **dict.fromkeys((200, 201, 202, 204, 206, 299), (Verdict.DELIVERED, None)),
    **dict.fromkeys((300, 301, 302, 303, 307, 308), (Verdict.RETRY, DeliveryReason.REDIRECTED)),
    **dict.fromkeys(
        (400, 401, 403, 404, 408, 409, 413, 422, 499), (Verdict.RETRY, DeliveryReason.REFUSED)
    ),
    410: (Verdict.DEAD, DeliveryReason.GONE),
    429: (Verdict.RETRY, DeliveryReason.THROTTLED),
    **dict.fromkeys((500, 501, 502, 503, 504, 599), (Verdict.RETRY, DeliveryReason.UNAVAILABLE)),
}


@pytest.mark.parametrize(("status", "meaning"), MEANING.items(), ids=map(str, MEANING))
async def test_status_has_one_meaning(
    case: Case,
    configure: Configure,
    open_target: Open,
    status: int,
    meaning: tuple[Verdict, DeliveryReason | None],
) -> None:
    """The status alone decides, by one table; the attempt has it, and no reason of its own."""
    settings = configure(case.options())
    await case.answer(status, {})
    result = await attempt(open_target(settings), case)
    assert (result.status, result.reason) == (status, None)
    decided = settled(settings, result)
    assert (decided.verdict, decided.reason) == meaning
    assert decided.pause is (status == 410)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("0", 0.0), ("soon", None)])
async def test_retry_after_is_handed_on(
    case: Case,
    configure: Configure,
    open_target: Open,
    status: int,
    text: str,
    seconds: float | None,
) -> None:
    """The wait that the target asks for is in the attempt; a header that says nothing is none."""
    await case.answer(status, {"retry-after": text})
    result = await attempt(open_target(configure(case.options())), case)
    assert result.retry_after == seconds
