"""Machines from transitions: where a target shows its state, one cycle is learned, not a history.

What makes modular sums, long division or detectors hard for gradients is credit through loops: a
state that must be discrete has to come from weights that are not so yet, over many cycles. A target
that is written as an :class:`~dmmlab.synthesis.automata.Automaton` offers its states. Given the
state before an item (teacher forcing), the state after it and the answer are functions of a few
numbers, without loops, and what is looked for is a sum of few neurons::

    state' = linear(state, item) + sum over j of w_j relu(direction . (state, item) - c_j)

Such sums are found by :mod:`dmmlab.synthesis.exact_fits` in what
:mod:`dmmlab.synthesis.observed_transitions` has seen, and become neurons in
:mod:`dmmlab.synthesis.machines_of_sums`.

All weights are fractions from the start, and nothing is trusted: what comes out is a machine like
any other, to be validated, tested, and proved.
"""

import math
import time

import numpy as np

from ..core.machine import Machine
from ..machines.exact_steps import ExactMachine
from .counterexamples import counterexample
from .draws import Items
from .exact_fits import Hinge, Sum, fit_conjunctions, fit_sum
from .explorations import alphabet_of, explore, target_of
from .generators import automaton_of
from .machines_of_sums import MachineOfSums
from .observed_transitions import TransitionError, Transitions, observe
from .problems import Problem

STATES, SECONDS = 2000, 4.0  # of an exploration for strings on which a machine errs
PATIENCE = 2  # strings on which a machine without products may err before there are some
ROUNDS = 12  # of looking for a string on which the machine errs, and learning from it


def transition_machine(problem: Problem, seed: int = 0, budget: float | None = None) -> tuple[Machine, tuple[int, ...]]:
    """The machine whose state follows a problem's automaton.

    Strings on which it errs are looked for, and learned from, until there is none.

    Args:
        problem: as for :func:`~dmmlab.synthesis.observed_transitions.observe`.
        seed: of the strings whose transitions are looked at.
        budget: seconds after which no more strings are looked for; no limit if left out.

    Returns:
        The machine, and the delay of each of its answers, in cycles.

    Raises:
        TransitionError: the target shows no state, or its transitions are no sum of few neurons.
    """
    strings: list[Items] = []
    end = math.inf if budget is None else time.monotonic() + budget
    while len(strings) < ROUNDS and time.monotonic() < end:
        machine, delays = _fitted(problem, observe(problem, seed, strings), may_multiply=len(strings) >= PATIENCE)
        wrong = _string_on_which_it_errs(problem, machine, delays)
        if wrong is None:
            return machine, delays
        strings.append(wrong)
    raise TransitionError(f"after {len(strings)} strings on which it erred, it errs on another")


def _string_on_which_it_errs(problem: Problem, machine: Machine, delays: tuple[int, ...]) -> Items | None:
    target = target_of(problem, automaton_of(problem))
    found = explore(ExactMachine(machine), problem, target, alphabet_of(problem)[0], delays, STATES, SECONDS)
    if found.refuted is not None or found.complete:
        return found.refuted
    found_by_chance = counterexample(problem.with_delay(delays), machine)
    return None if found_by_chance is None else list(found_by_chance.items)


def _fitted(problem: Problem, seen: Transitions, may_multiply: bool) -> tuple[Machine, tuple[int, ...]]:
    """The machine of these transitions, right or not on others."""
    inputs = np.concatenate([seen.before, seen.items], axis=1)
    known: list[Hinge] = []
    state: list[Sum] = []
    for i, column in enumerate(seen.after.T):
        found = fit_sum(inputs, column, known, may_multiply)
        if found is None:
            raise TransitionError(f"number {i + 1} of the next state is no sum of few neurons")
        state.append(found)
        known += found.hinges
    builder = MachineOfSums(problem, state, seen.features)
    delays = []
    for name, column in zip(problem.answers, seen.answers.T, strict=True):
        direct = fit_sum(inputs, column, known, may_multiply)
        later = None if direct else fit_sum(seen.after, column)
        if direct is not None:
            delays.append(builder.answer(name, direct))
        elif later is not None:
            delays.append(builder.answer(name, later, is_late=True))
        elif (conjunctions := fit_conjunctions(seen.after, column)) is not None:
            delays.append(builder.answer_by_conjunctions(name, conjunctions))
        else:
            raise TransitionError(f"{name} is neither a sum of few neurons nor a conjunction of thresholds")
    return builder.machine(), tuple(delays)
