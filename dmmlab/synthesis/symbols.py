"""Symbols: numbers that are not known, in a run that takes every path.

A machine's functions and an automaton's step are plain Python. Run on symbols, sums are written
down instead of computed, and a comparison takes both ways, one after the other, as far as an SMT
solver (z3) finds them possible. So each path ends with what is assumed on it, and linear
expressions for all results. This is symbolic execution (King, "Symbolic execution and program
testing", CACM 1976).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from numbers import Number
from typing import Any, TypeVar

from ..core.errors import LabError

T = TypeVar("T")


class UnknownError(LabError):
    """What cannot be decided: a step does not run on symbols, or there is no time left."""


def solver() -> Any:
    """The module z3; raises :class:`UnknownError` where it is not installed."""
    try:
        import z3
    except ImportError:
        raise UnknownError("proofs by induction need z3: pip install 'dmmlab[proofs]'") from None
    return z3


class Symbol(Number):
    """A number that is not known: an expression of z3, on a path that its comparisons extend."""

    ndim = 1  # as an array of several numbers: the algebra does not ask whether it is zero
    __slots__ = ("expression", "path")

    def __init__(self, expression: Any, path: "Path"):
        self.expression, self.path = expression, path

    def _made(self, expression: Any) -> "Symbol":
        return Symbol(expression, self.path)

    def __add__(self, other: Any) -> Any:
        return self._made(self.expression + _raw(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._made(self.expression - _raw(other))

    def __rsub__(self, other: Any) -> Any:
        return self._made(_raw(other) - self.expression)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Symbol):
            raise UnknownError("a product of two unknown numbers is not linear")
        return 0 if other == 0 else self._made(self.expression * _raw(other))

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self._made(-self.expression)

    def __abs__(self) -> Any:
        return -self if self < 0 else self

    def __mod__(self, other: Any) -> Any:
        return self._made(self._whole(other) % other)

    def __floordiv__(self, other: Any) -> Any:
        return self._made(self._whole(other) / other)  # of whole numbers z3 takes the floor

    def _whole(self, divisor: Any) -> Any:
        if not isinstance(divisor, int) or divisor < 1 or not self.expression.is_int():
            raise UnknownError("only whole numbers can be divided here, and by known ones above 0")
        return self.expression

    def __lt__(self, other: Any) -> bool:
        return self.path.decide(self.expression < _raw(other))

    def __le__(self, other: Any) -> bool:
        return self.path.decide(self.expression <= _raw(other))

    def __gt__(self, other: Any) -> bool:
        return self.path.decide(self.expression > _raw(other))

    def __ge__(self, other: Any) -> bool:
        return self.path.decide(self.expression >= _raw(other))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and self.path.decide(self.expression == _raw(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self != 0

    __hash__ = None  # type: ignore[assignment]


def _raw(x: Any) -> Any:
    if isinstance(x, Symbol):
        return x.expression
    if isinstance(x, float):
        x = Fraction(x)
    if isinstance(x, Fraction):
        return x.numerator if x.denominator == 1 else solver().Q(x.numerator, x.denominator)
    return int(x)


def difference(a: Any, b: Any) -> Any:
    """``a - b`` as an expression of z3, or a number."""
    result = a - b
    return result.expression if isinstance(result, Symbol) else result


class Path:
    """One way through the comparisons of a run; the choices of its beginning are given."""

    def __init__(self, z3: Any, assumed: Sequence[Any], given: Sequence[bool], others: list[list[bool]], end: float):
        self.solver = z3.Solver()
        self.solver.set("timeout", 5000)
        self.solver.add(*assumed)
        self._z3, self._given, self._others, self._end = z3, given, others, end
        self._taken: list[bool] = []

    def decide(self, condition: Any) -> bool:
        """Whether it holds on this path; if it may and may not, the other way is noted."""
        z3 = self._z3
        condition = z3.simplify(condition) if not isinstance(condition, bool) else z3.BoolVal(condition)
        if z3.is_true(condition) or z3.is_false(condition):
            return bool(z3.is_true(condition))
        if time.monotonic() > self._end:
            raise UnknownError("no time was left")
        at = len(self._taken)
        if at < len(self._given):
            choice = self._given[at]
        else:
            choice = self._possible(condition)
            if choice and self._possible(z3.Not(condition)):
                self._others.append([*self._taken, False])
        self._taken.append(choice)
        self.solver.add(condition if choice else z3.Not(condition))
        return choice

    def holds(self, conditions: Sequence[Any]) -> bool:
        """Whether all conditions hold on this path, whatever the symbols are."""
        open_ones = [each for each in conditions if each is not True]
        if any(each is False for each in open_ones):
            return False
        return not open_ones or not self._possible(self._z3.Not(self._z3.And(*open_ones)))

    def _possible(self, condition: Any) -> bool:
        answer = self.solver.check(condition)
        if answer == self._z3.unknown:
            raise UnknownError("the solver does not know")
        return bool(answer == self._z3.sat)


def on_all_paths(run: Callable[[Path], T], assumed: Sequence[Any], end: float) -> Iterator[tuple[Path, T]]:
    """Runs a function once for each path through its comparisons.

    Args:
        run: takes a path, whose symbols it makes; deterministic.
        assumed: conditions of z3 that hold at the beginning.
        end: of the time, as of ``time.monotonic()``.

    Yields:
        Each path with what the function returned on it.

    Raises:
        UnknownError: something cannot be run, or there is no time.
    """
    z3 = solver()
    waiting: list[list[bool]] = [[]]
    while waiting:
        path = Path(z3, assumed, waiting.pop(), waiting, end)
        try:
            result = run(path)
        except LabError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise UnknownError(f"it does not run on unknown numbers: {error}") from None
        yield path, result
