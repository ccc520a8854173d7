"""Automata: targets with an explicit state, which can be run and used in proofs.

A target that is a plain generator hides its state. An :class:`Automaton` shows it: it has an
initial state and a step::

    parity = Automaton(0, lambda ones, x: ((ones + x) % 2,) * 2)

In every cycle ``step`` takes the state and the item, and returns the next state and the answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..core.summaries import Facts, summarised
from ..core.vvalues import VValue

Step = Callable[[Any, VValue], tuple[Any, float | Sequence[float]]]  # (state, item) -> (next state, answer or answers)
STATE_TYPES = (int, bool, float, str, type(None), Fraction)  # a state, or a part of one, that proofs can compare


@summarised
@dataclass(frozen=True)
class Automaton:
    """A target with a state: a Mealy machine, if it has finitely many states.

    Args:
        initial: the state before the first item; hashable. To build machines from the automaton,
            it must be a number or a tuple of numbers.
        step: ``(state, item) -> (next state, answer)``. It must be exact: Python integers or
            fractions. The answer is a number, or a tuple if the problem has several answers.
    """

    initial: Any
    step: Step

    def __call__(self, items: Iterable[VValue]) -> Iterator[float | Sequence[float]]:
        """Yields the answer to each item, as the target of a problem does."""
        state = self.initial
        for item in items:
            state, answer = self.step(state, item)
            yield answer

    def _summary(self) -> tuple[str, Facts]:
        return "Automaton", {"initial state": self.initial, "step": getattr(self.step, "__qualname__", "")}.items()
