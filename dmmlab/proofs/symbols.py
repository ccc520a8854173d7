"""Symbols: unknown numbers, for runs that take every path.

The functions of the built-in neuron types and plain steps (:mod:`dmmlab.proofs.plain_steps`) can be
run on symbols. Sums are then recorded instead of computed. A comparison takes both ways, one after
the other, if an SMT solver (z3) finds both possible. So each path ends with its assumptions, and
with linear expressions for all results. This is symbolic execution (King, "Symbolic execution and
program testing", CACM 1976).

An operation that a symbol does not support, such as conversion to a float or to text, ends the run
by an exception that no ``except Exception`` catches. Each path is also run once more, on numbers
that take it; the results must equal those of the expressions.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from numbers import Number
from typing import Any

from ..core.errors import LabError


class UnknownError(LabError):
    """Raised if a proof is undecided: a step does not run on symbols, or there is no time left."""


def solver() -> Any:
    """Returns the module z3; raises :class:`UnknownError` if it is not installed."""
    try:
        import z3
    except ImportError:
        raise UnknownError("proofs by induction need z3: pip install 'dmmlab[proofs]'") from None
    return z3


class Unfollowed(BaseException):
    """Raised if a symbol is used as only a known number can be. No target catches it."""


class Symbol(Number):
    """An unknown number: a z3 expression, on a path that its comparisons extend."""

    ndim = 1  # like an array of several numbers, so that the algebra does not test whether it is zero
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

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Symbol):
            raise UnknownError("a quotient of two unknown numbers is not linear")
        return self * (1 / Fraction(other))

    def __mod__(self, other: Any) -> Any:
        return self._made(self._whole(other) % other)

    def __floordiv__(self, other: Any) -> Any:
        return self._made(self._whole(other) / other)  # z3 divides whole numbers with floor

    def _whole(self, divisor: Any) -> Any:
        if not isinstance(divisor, int) or divisor < 1 or not self.is_whole:
            raise UnknownError("only whole numbers can be divided here, and by known ones above 0")
        return self.expression

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number for all values of its symbols."""
        return bool(self.expression.is_int())

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

    def _cannot(self, *others: Any) -> Any:
        raise Unfollowed

    __hash__ = __float__ = __int__ = __index__ = __trunc__ = __round__ = __floor__ = __ceil__ = __complex__ = _cannot
    __str__ = __repr__ = __format__ = __bytes__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _cannot
    __pow__ = __rpow__ = __rmod__ = __rfloordiv__ = __rtruediv__ = __divmod__ = __rdivmod__ = _cannot


def _raw(x: Any) -> Any:
    if isinstance(x, Symbol):
        return x.expression
    if isinstance(x, float):
        x = Fraction(x)
    if isinstance(x, Fraction):
        return x.numerator if x.denominator == 1 else solver().Q(x.numerator, x.denominator)
    return int(x)


def is_zero(x: Any) -> Any:
    """Returns the condition that a number is 0: a z3 condition for a symbol, else True or False."""
    return x.expression == 0 if isinstance(x, Symbol) else x == 0


class Path:
    """One way through the comparisons of a run; its first choices are given."""

    def __init__(self, z3: Any, assumed: Sequence[Any], given: Sequence[bool], others: list[list[bool]], end: float):
        self.solver = z3.Solver()
        self.solver.set("timeout", 5000)
        self.solver.add(*assumed)
        self._z3, self._given, self._others, self._end = z3, given, others, end
        self._taken: list[bool] = []

    def decide(self, condition: Any) -> bool:
        """Decides whether a condition holds on this path; if it is open, notes the other way."""
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
        """Returns whether all conditions hold on this path, for all values of the symbols."""
        open_ones = [each for each in conditions if each is not True]
        if any(each is False for each in open_ones):
            return False
        return not open_ones or not self._possible(self._z3.Not(self._z3.And(*open_ones)))

    def example(self) -> Any:
        """Returns a model: numbers that take this path."""
        if not self._possible(self._z3.BoolVal(True)):
            raise UnknownError("no number takes a path that was taken")
        return self.solver.model()

    def _possible(self, condition: Any) -> bool:
        answer = self.solver.check(condition)
        if answer == self._z3.unknown:
            raise UnknownError("the solver does not know")
        return bool(answer == self._z3.sat)


def on_all_paths(
    run: Callable[[Sequence[Any]], Sequence[Any]], variables: Sequence[Any], assumed: Sequence[Any], end: float
) -> Iterator[tuple[Path, list[Any]]]:
    """Runs a function once for each path through its comparisons.

    Args:
        run: takes numbers or symbols, and returns such; deterministic.
        variables: for each argument a z3 unknown, or a known number.
        assumed: z3 conditions that hold at the beginning.
        end: when to stop, as a value of ``time.monotonic()``.

    Yields:
        Each path with the results of the function on it.

    Raises:
        UnknownError: something cannot be run, there is no time left, or the function gives
            different results on symbols and on known numbers.
    """
    z3 = solver()
    waiting: list[list[bool]] = [[]]
    while waiting:
        path = Path(z3, assumed, waiting.pop(), waiting, end)
        results = _followed(run, [Symbol(x, path) if z3.is_expr(x) else x for x in variables])
        model = path.example()

        def known(x: Any, model: Any = model) -> Any:
            if not (isinstance(x, Symbol) or z3.is_expr(x)):
                return x
            value = model.evaluate(x.expression if isinstance(x, Symbol) else x, model_completion=True)
            return (
                value.as_long() if z3.is_int_value(value) else Fraction(value.numerator_as_long(), value.denominator_as_long())
            )

        again = _followed(run, [known(variable) for variable in variables])
        if list(map(known, results)) != again:
            raise UnknownError("a step gives one result for an unknown number and another for a known one")
        yield path, results


def _followed(run: Callable[[Sequence[Any]], Sequence[Any]], numbers: Sequence[Any]) -> list[Any]:
    try:
        return list(run(numbers))
    except LabError:
        raise
    except (Exception, Unfollowed) as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise UnknownError(f"it does not run on unknown numbers: {reason}") from None
