"""A function is trusted with a value that others see only if its code shows that it can't change or keep it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from relay.config.untouched import leaves_untouched

SEEN: list[Any] = []
KINDS = {"a": "b"}


def asks(body: Any) -> str:
    if isinstance(body, dict):
        if "pusher" in body:
            return "push"
        kind = body.get("type") or body["data"]["kind"]
        return str(kind).partition(".")[0].lower()
    return "other" if len(body) > 1 else "none"


def pops(body: Any) -> Any:
    return body.pop("type")


def pops_deep_inside(body: Any) -> Any:
    return body["data"].pop("type", "other")


def stores(body: Any) -> Any:
    body["type"] = str(body.get("type"))
    return body["type"]


def deletes(body: Any) -> Any:
    kind = body["type"]
    del body["type"]
    return kind


def slices(body: Any) -> Any:
    body[:] = []
    return "other"


def sets_attribute(body: Any) -> Any:
    body.kind = "x"
    return body.kind


def adds_in_place(body: Any) -> Any:
    items = body["items"]
    items += ["x"]
    return "other"


def keeps(body: Any) -> Any:
    SEEN.append(body)
    return "other"


def keeps_for_all(body: Any) -> Any:
    global SEEN  # noqa: PLW0603 - that it does is the case
    SEEN = body
    return "other"


def keeps_in_a_default(body: Any, seen: Any = SEEN) -> Any:
    return seen.get(body)


def keeps_in_a_keyword(body: Any, *, seen: Any = SEEN) -> Any:
    return seen.get(body)


def asks_another(body: Any) -> Any:
    return pops(body)


def asks_what_it_made(body: Any) -> Any:
    def inner() -> Any:
        return body.pop("type")

    return inner()


def asks_by_name(body: Any) -> Any:
    return getattr(body, "pop")("type")  # noqa: B009 - as above


def imports(body: Any) -> Any:
    import operator  # noqa: PLC0415 - as above

    return operator.get(body)  # type: ignore[attr-defined]


def asks_a_table(body: Any) -> Any:
    return KINDS.get(body["type"])


def closed(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def inner(body: Any) -> Any:
        return function(body)

    return inner


def overshadowed() -> Callable[[Any], Any]:
    """Return a function whose module calls something of its own `get`."""
    names: dict[str, Any] = {}
    exec("def get(body):\n    return body.pop('type')\ndef kind(body):\n    return get(body)\n", names)
    found: Callable[[Any], Any] = names["kind"]
    return found


class Called:
    def __call__(self, body: Any) -> Any:
        return "other"

    def method(self, body: Any) -> Any:
        return "other"


@pytest.mark.parametrize("function", [asks, lambda body: body["type"]], ids=["asks", "lambda"])
def test_function_that_only_asks_is_trusted(function: Callable[[Any], Any]) -> None:
    """Conditions, keys, and the methods of texts change nothing."""
    assert leaves_untouched(function)


@pytest.mark.parametrize(
    "function",
    [
        pops, pops_deep_inside, stores, deletes, slices, sets_attribute, adds_in_place, keeps, keeps_for_all,
        keeps_in_a_default, keeps_in_a_keyword, asks_another, asks_what_it_made, asks_by_name, imports, asks_a_table,
    ],
    ids=lambda function: function.__name__,
)  # fmt: skip
def test_function_that_may_change_or_keep_is_not_trusted(function: Callable[[Any], Any]) -> None:
    """Nor is one that calls what it can't be seen through."""
    assert not leaves_untouched(function)


@pytest.mark.parametrize(
    "given",
    [closed(pops), overshadowed(), partial(asks), Called(), Called().method, str, dict.get, "type", None],
    ids=["closure", "overshadowed", "partial", "callable", "method", "class", "builtin", "text", "none"],
)
def test_what_is_no_function_of_its_own_is_not_trusted(given: Any) -> None:
    """Its code is elsewhere, or not Python."""
    assert not leaves_untouched(given)
