"""Plain steps: functions that cannot detect that they are run on symbols.

A step takes the same paths on unknown numbers as on known ones only if it cannot distinguish them.
A step that asks ``isinstance(x, int)``, looks its state up in a table, or catches an exception can.
So a step may be run on symbols only if it is *plain*: its bytecode (which exists even without
source) has nothing but arithmetic, comparisons, conditions, tuples, constants, ``min``, ``max``,
``abs``, ``sum``, and calls of plain functions. The opcodes that Python compiles these to are listed
here; anything else is not plain.
"""

import builtins
import dis
from collections.abc import Iterator
from fractions import Fraction
from types import CodeType, FunctionType
from typing import Any

OPCODES = """
    RESUME NOP CACHE EXTENDED_ARG PUSH_NULL PRECALL CALL COPY SWAP POP_TOP COPY_FREE_VARS NOT_TAKEN
    LOAD_FAST LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_FAST_CHECK
    STORE_FAST STORE_FAST_STORE_FAST STORE_FAST_LOAD_FAST LOAD_CONST LOAD_SMALL_INT LOAD_GLOBAL LOAD_DEREF
    BINARY_OP BINARY_SUBSCR BINARY_SLICE BUILD_SLICE BUILD_TUPLE UNPACK_SEQUENCE COMPARE_OP
    BUILD_LIST LIST_EXTEND LIST_APPEND LIST_TO_TUPLE CALL_INTRINSIC_1
    UNARY_NEGATIVE UNARY_NOT TO_BOOL JUMP_FORWARD JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP
    POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE
    RETURN_VALUE RETURN_CONST
"""  # of Python 3.11 to 3.14
ALLOWED = frozenset(OPCODES.split())
INTRINSICS = ("INTRINSIC_LIST_TO_TUPLE", "INTRINSIC_UNARY_POSITIVE")
OPERATORS = frozenset(["+", "-", "*", "/", "//", "%", "[]"])
BUILTINS = (min, max, abs, sum)


def why_not_plain(function: Any) -> str:
    """Returns the reason why a function is not plain, in a few words; empty if it is plain."""
    return next(_objections(function, set()), "")


def _objections(function: Any, seen: set[CodeType]) -> Iterator[str]:
    if not isinstance(function, FunctionType):
        yield f"it is a {type(function).__name__}, not a function of Python"
        return
    code = function.__code__
    if code in seen:
        return
    seen.add(code)
    name = getattr(function, "__qualname__", "it")
    if code.co_flags & (0x20 | 0x80 | 0x200) or code.co_exceptiontable:
        yield f"{name} yields, or catches exceptions"
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *code.co_consts]
    for each in dis.get_instructions(code):
        if each.opname not in ALLOWED:
            yield f"{name} has {each.opname}"
        elif each.opname == "BINARY_OP" and each.argrepr.rstrip("=") not in OPERATORS:
            yield f"{name} has the operator {each.argrepr}"
        elif each.opname == "CALL_INTRINSIC_1" and each.argrepr not in INTRINSICS:
            yield f"{name} has {each.argrepr}"
        elif each.opname == "LOAD_GLOBAL":
            values.append(function.__globals__.get(each.argval, getattr(builtins, each.argval, builtins)))
    values += [cell.cell_contents for cell in function.__closure__ or ()]
    for value in values:
        if isinstance(value, FunctionType):
            yield from _objections(value, seen)
        elif not _is_constant(value):
            yield f"{name} uses {getattr(value, '__name__', type(value).__name__)}"


def _is_constant(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_constant, value))
    return value in BUILTINS if callable(value) else type(value) in (int, float, bool, str, Fraction, type(None))
