"""Automata: targets with a state, which can be run, and proved things about.

A target that is a plain generator hides what it remembers. One that is written as an initial state
and a step shows it::

    parity = Automaton(0, lambda ones, x: ((ones + x) % 2,) * 2)

In every cycle ``step`` takes the state and the item, and returns the next state and the answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.summaries import Facts, summarised
from ..core.vvalues import VValue

Step = Callable[[Any, VValue], tuple[Any, float | Sequence[float]]]  # (state, item) -> (next state, answer or answers)


@summarised
@dataclass(frozen=True)
class Automaton:
    """A target with a state: a Mealy machine, if it has finitely many states.

    Args:
        initial: the state before the first item; hashable. A number or a tuple of numbers, if
            machines are to be built from it.
        step: ``(state, item) -> (next state, answer)``. It must be exact: whole numbers of Python,
            or fractions. An answer is a number, or a tuple with one for each answer.
    """

    initial: Any
    step: Step

    def __call__(self, items: Iterable[VValue]) -> Iterator[float | Sequence[float]]:
        """The answer to each item: what a problem's target is asked for."""
        state = self.initial
        for item in items:
            state, answer = self.step(state, item)
            yield answer

    def _summary(self) -> tuple[str, Facts]:
        return "Automaton", {"initial state": self.initial, "step": getattr(self.step, "__qualname__", "")}.items()
