"""Machines from transitions: learns one cycle of a target instead of a history.

Modular sums, long division or detectors are hard for gradients because of credit assignment through
loops: over many cycles, a discrete state has to emerge from weights that are not discrete yet. A
target that is written as an :class:`~dmmlab.problems.automata.Automaton` shows its states. Given
the state before an item (teacher forcing), the state after it and the answer are functions of a few
numbers, without loops. Each is fitted by a sum of few neurons::

    state' = linear(state, item) + sum over j of w_j relu(direction . (state, item) - c_j)

:mod:`dmmlab.transitions.observed_transitions` records transitions,
:mod:`dmmlab.transitions.exact_fits` finds such sums in them, and
:mod:`dmmlab.transitions.machines_of_sums` turns the sums into neurons.

All weights are fractions from the start. The result is not trusted: it is a machine like any other,
to be validated, tested, and proved.
"""

import itertools
import math
import random
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from ..core.machine import Machine
from ..machines.exact_steps import ExactMachine
from ..problems.items import Items
from ..problems.problems import Problem
from ..problems.target_rows import rows_of
from ..proofs.counterexamples import counterexample
from ..proofs.explorations import alphabet_of, explore
from .exact_fits import Hinge, Sum, fit_conjunctions, fit_sum
from .machines_of_sums import MachineOfSums
from .observed_transitions import TransitionError, Transitions, observe, observe_black_box
from .predictions import OutOfTime

TESTING = 20.0  # seconds to search for the state of a black box, by default
STATES, SECONDS = 2000, 4.0  # limits of an exploration for strings on which a machine errs
BRIEF = 0.5  # seconds of such an exploration for a black box
LINKS = 400  # links of a machine of a black box, at most
SETS, FITTING = 60, 1.0  # closed sets of columns that are fitted, at most, and seconds after which one fit is enough
SMALL, LARGER = 30, 4  # links of a machine that is enough by then; a larger one is enough after LARGER times as long
STRINGS, LONG, STICKY = 24, 60, (0.8, 0.95)  # long strings, items of each, and probabilities that an item repeats
PATIENCE = 2  # strings on which machines without products err before products are allowed
ROUNDS = 12  # searches for a string on which the machine errs, at most


def transition_machine(
    problem: Problem,
    seed: int = 0,
    budget: float | None = None,
    black_box: bool = False,
    known: dict[tuple[int, ...], tuple[int, ...]] | None = None,
) -> tuple[Machine, tuple[int, ...]]:
    """Builds a machine whose state follows a problem's automaton or a black box's future answers.

    It searches for strings on which the machine errs, and learns from them, until there is none.

    Args:
        problem: as for :func:`~dmmlab.transitions.observed_transitions.observe`.
        seed: the seed of the strings whose transitions are observed.
        budget: seconds after which the search for strings ends; if left out, 20 for a black box,
            and no limit for an automaton.
        black_box: whether only the answers of the target are known.
        known: the known answers of a black box, by strings of item indices; new ones are added.

    Returns:
        The machine, and the delay of each of its answers, in cycles.

    Raises:
        TransitionError: the target shows no state, or its transitions are no sum of few neurons.
    """
    strings: list[Items] = []
    known = {} if known is None else known
    if budget is None:
        budget = TESTING if black_box else math.inf
    end = time.monotonic() + budget
    while len(strings) < ROUNDS and time.monotonic() < end:
        may_multiply = len(strings) >= PATIENCE
        if black_box:
            seen = observe_black_box(problem, seed, strings, end, known, may_multiply)
            machine, delays = _best_of_states(problem, seen, may_multiply, end)
        else:
            machine, delays = fitted(problem, observe(problem, seed, strings), may_multiply, end)
        wrong = _string_on_which_it_errs(problem, machine, delays, black_box)
        if wrong is None:
            return machine, delays
        strings.append(wrong)
    raise TransitionError(f"after {len(strings)} strings on which it erred, it errs on another")


def _string_on_which_it_errs(problem: Problem, machine: Machine, delays: tuple[int, ...], black_box: bool) -> Items | None:
    exact = ExactMachine(machine)
    if black_box and (wrong := _long_string_on_which_it_errs(problem, exact, delays)) is not None:
        return wrong
    target, seconds = problem.reference.exact(), BRIEF if black_box else SECONDS
    found = explore(exact, problem, target, alphabet_of(problem)[0], delays, STATES, seconds)
    if found.refuted is not None or found.complete:
        return found.refuted
    found_by_chance = counterexample(problem.with_delay(delays), machine)
    return None if found_by_chance is None else list(found_by_chance.items)


def _long_string_on_which_it_errs(problem: Problem, exact: ExactMachine, delays: tuple[int, ...]) -> Items | None:
    """Tries drawn strings and strings of repeated items; returns the shortest wrong prefix."""
    rng, items = random.Random("long strings"), alphabet_of(problem)[0]
    length = LONG if problem.longest is None else problem.longest
    shortest: Items | None = None
    for i in range(STRINGS):
        string = list(problem.draw(rng, "abc", length))
        if i % 3:
            string = [rng.choice(items)]
            while len(string) < length:
                string.append(string[-1] if rng.random() < STICKY[i % 3 - 1] else rng.choice(items))
        rows = rows_of(problem.target, problem.answers, list(map(problem.as_read, string)))  # type: ignore[arg-type]
        state, given = exact.initial, []
        for item in (*string, *[{}] * max(delays)):
            answers, emitted = exact.step(state)
            state = emitted + exact.shown(problem.items_by_neuron(item))
            given.append(answers)
        wrong = [
            t + 1
            for t, row in enumerate(rows)
            if any(d + t < len(given) and given[t + d][j] != row[j] for j, d in enumerate(delays))
        ]
        if wrong and (shortest is None or wrong[0] < len(shortest)):
            shortest = string[: wrong[0]]
    return shortest


def _best_of_states(
    problem: Problem, states: Iterator[Transitions], may_multiply: bool, end: float
) -> tuple[Machine, tuple[int, ...]]:
    """Returns the smallest machine that fits one of the candidate states of a black box."""
    best: tuple[Machine, tuple[int, ...]] | None = None
    reason, began = TransitionError("no tests show what it remembers"), time.monotonic()
    until = end
    try:
        for seen in itertools.islice(states, SETS):
            try:
                made = fitted(problem, seen, may_multiply, until)
                if (count := made[0].count()) > LINKS:
                    raise TransitionError(f"a machine of {count:,} links is a table in disguise")
                best = min(best or made, made, key=lambda each: each[0].count())
            except TransitionError as error:
                reason = error
            if best is not None:
                until = min(end, began + (FITTING if best[0].count() <= SMALL else LARGER * FITTING))
            if time.monotonic() > until:
                break
    except OutOfTime as error:
        reason = TransitionError(str(error))
    if best is None:
        raise reason
    return best


def fitted(problem: Problem, seen: Transitions, may_multiply: bool, end: float) -> tuple[Machine, tuple[int, ...]]:
    """Fits a machine to these transitions; it may be wrong on others.

    Args:
        problem: the problem.
        seen: the transitions.
        may_multiply: whether the machine may have products.
        end: when to stop, as a value of ``time.monotonic()``.

    Returns:
        The machine, and the delay of each of its answers, in cycles.

    Raises:
        TransitionError: the transitions are no sum of few neurons.
    """
    inputs = np.concatenate([seen.before, seen.items], axis=1)
    switches = [(*[0] * seen.before.shape[1], *each) for each in seen.switches]
    known: list[Hinge] = []
    state: list[Sum] = []
    for i, column in enumerate(seen.after.T):
        found = fit_sum(inputs, column, known, may_multiply, end, switches)
        if found is None:
            raise TransitionError(f"number {i + 1} of the next state is no sum of few neurons")
        state.append(found)
        known += found.hinges
    builder = MachineOfSums(problem, state, seen.features)
    delays = []
    for name, column, scale in zip(problem.answers, seen.answers.T, seen.scales or itertools.repeat(Fraction(1)), strict=False):
        direct = fit_sum(inputs, column, known, may_multiply, end, switches)
        later = None if direct else fit_sum(seen.after, column, end=end)
        if direct is not None:
            delays.append(builder.answer(name, direct, scale=scale))
        elif later is not None:
            delays.append(builder.answer(name, later, True, scale))
        elif (conjunctions := fit_conjunctions(seen.after, column)) is not None:
            delays.append(builder.answer_by_conjunctions(name, conjunctions, scale))
        else:
            raise TransitionError(f"{name} is neither a sum of few neurons nor a conjunction of thresholds")
    return builder.machine(), tuple(delays)
