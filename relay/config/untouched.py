"""Whether a route's function leaves what it is given untouched: told from its code, before it is called.

Trusted is what stores into nothing but its own names, and calls nothing but what is listed here. Others may be as
harmless; that can't be told.
"""

import dis
from types import CodeType, FunctionType
from typing import Any

_FUNCTIONS = frozenset({"bool", "dict", "float", "int", "isinstance", "len", "list", "str"})
_METHODS = frozenset(
    {
        "endswith", "get", "keys", "lower", "partition", "removeprefix", "removesuffix", "rpartition", "split",
        "startswith", "strip", "upper",
    }
)  # fmt: skip


def leaves_untouched(function: Any) -> bool:
    """Tell whether `function` is sure neither to change a JSON value that it is given nor to keep it."""
    if not isinstance(function, FunctionType) or function.__defaults__ or function.__kwdefaults__:
        return False
    code = function.__code__
    return (
        not code.co_freevars  # they may hold any function
        and not any(isinstance(constant, CodeType) for constant in code.co_consts)
        and _FUNCTIONS.union(_METHODS).issuperset(code.co_names)
        # Its module may have a function of its own that is called `get` or `str`.
        and function.__globals__.keys().isdisjoint(code.co_names)
        and not any(map(_stores, dis.get_instructions(code)))
    )


def _stores(instruction: dis.Instruction) -> bool:
    """Tell whether an instruction may change more than the function's own names; versions of Python add to each kind."""
    kind, _, where = instruction.opname.partition("_")
    if kind in {"STORE", "DELETE"}:
        return not where.startswith("FAST")
    return kind == "IMPORT" or (instruction.opname == "BINARY_OP" and instruction.argrepr.endswith("="))
