"""Starts: where a synthesis may begin, from cheap to rich.

A problem may say how deep its machine is (``delay``), whether it needs loops (``recurrent``), which
types of neurons there are. What it does not say is tried: first a feedforward network, then small
recurrent ones, with shorter and longer delays, then larger ones and more types. Constants that it
needs and does not give are found beforehand (:mod:`dmmlab.problems.letter_classes`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..core.machine import Machine
from ..core.neurons import PRODUCT, answering
from ..machines.networks import LAYER, RECURRENT, Network, recurrent
from ..problems.letter_classes import USUAL_LETTERS
from ..problems.problems import USUAL_DELAY, Problem

LOOPS = ((2, USUAL_DELAY), (2, 2), (3, 4), (5, USUAL_DELAY))  # copies of each type, and delays, of recurrent starts
RICH = (*LAYER, PRODUCT)


class Start(NamedTuple):
    """A problem with its delay, a network, and how many letters the strings to learn from have.

    ``name`` says in words what is tried.
    """

    name: str
    problem: Problem
    network: Network
    letters: int


def starts(problem: Problem, letters: int = USUAL_LETTERS) -> Iterator[Start]:
    """The starts of a problem, those that are cheap first; one, if the problem says all.

    Args:
        problem: what is asked. What it says is obeyed in all of them.
        letters: that the strings to learn from have.

    Returns:
        The starts; the first is the problem's own network.
    """
    first = problem if problem.delay is not None else problem.with_delay(USUAL_DELAY)
    yield Start("recurrent" if problem.recurrent else "feedforward", first, first.network, letters)
    any_delay = problem.delay is None and not isinstance(problem.target, Machine)
    if problem.recurrent is None or (problem.recurrent and (any_delay or problem.types is None)):
        for copies, delay in LOOPS:
            if problem.recurrent and (copies, delay) == LOOPS[0]:  # which is the first
                continue
            if delay == USUAL_DELAY or any_delay:
                tried = problem.with_delay(delay) if any_delay else first
                types = problem.types or RECURRENT
                network = recurrent(copies, types, answering(tuple(problem.answers)), problem.sources)
                yield Start(f"recurrent, {copies} of each type, delay {delay}", tried, network, letters)
    if problem.types is None and not problem.recurrent:
        rich = replace(first, types=RICH)
        yield Start("feedforward, with products", rich, rich.network, letters)


def with_smaller_delays(start: Start) -> Iterator[Start]:
    """The same start with answers that are due earlier, one cycle after the other.

    A machine that has to wait with its answer may need more links than one that need not.

    Args:
        start: one whose problem has the same delay for all answers.

    Returns:
        The starts, the greatest delay first; the last has a delay of one cycle.
    """
    for delay in range(max(start.problem.delays) - 1, 0, -1):
        yield start._replace(name=f"{start.name.split(', delay')[0]}, delay {delay}", problem=start.problem.with_delay(delay))
