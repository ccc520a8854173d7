"""Starts: networks and delays with which a synthesis may begin, the cheapest first.

A problem may specify the depth of its machine (``delay``), whether it needs loops (``recurrent``),
and the neuron types. Unset options are searched: first a feedforward network, then small recurrent
ones, with shorter and longer delays, then larger ones and more types. Constants that the problem
needs and does not give are found beforehand (:mod:`dmmlab.problems.letter_classes`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..core.neurons import PRODUCT, answering
from ..machines.networks import LAYER, RECURRENT, Network, recurrent
from ..problems.letter_classes import USUAL_LETTERS
from ..problems.problems import USUAL_DELAY, Problem

LOOPS = ((2, USUAL_DELAY), (2, 2), (3, 4), (5, USUAL_DELAY))  # recurrent starts: copies of each type, delay
RICH = (*LAYER, PRODUCT)


class Start(NamedTuple):
    """A problem with its delay, a network, and the number of letters in the training strings.

    ``name`` describes the start in words.
    """

    name: str
    problem: Problem
    network: Network
    letters: int


def starts(problem: Problem, letters: int = USUAL_LETTERS) -> Iterator[Start]:
    """Yields the starts of a problem, cheapest first; only one if the problem sets all options.

    Args:
        problem: the problem; all starts obey the options that it sets.
        letters: the number of letters in the training strings.

    Returns:
        The starts; the first has the problem's own network.
    """
    first = problem if problem.delay is not None else problem.with_delay(USUAL_DELAY)
    yield Start("recurrent" if problem.recurrent else "feedforward", first, first.network, letters)
    any_delay = problem.delay_is_open
    if problem.recurrent is None or (problem.recurrent and (any_delay or problem.types is None)):
        for copies, delay in LOOPS:
            if problem.recurrent and (copies, delay) == LOOPS[0]:  # already the first start
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
    """Yields the same start with smaller delays, each one cycle shorter than the last.

    A machine that has to delay its answer may need more links than one that need not.

    Args:
        start: a start whose problem has the same delay for all answers.

    Returns:
        The starts, the greatest delay first; the last has a delay of one cycle.
    """
    for delay in range(max(start.problem.delays) - 1, 0, -1):
        yield start._replace(name=f"{start.name.split(', delay')[0]}, delay {delay}", problem=start.problem.with_delay(delay))
