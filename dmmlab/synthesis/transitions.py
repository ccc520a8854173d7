"""Machines from transitions: where a target shows its state, one cycle is learned, not a history.

What makes modular sums, long division or detectors hard for gradients is credit through loops: a
state that must be discrete has to come from weights that are not so yet, over many cycles. A target
that is written as an :class:`~dmmlab.synthesis.automata.Automaton` offers its states. Given the
state before an item (teacher forcing), the state after it and the answer are functions of a few
numbers, without loops, and what is looked for is a sum of few neurons::

    state' = linear(state, item) + sum over j of w_j relu(direction . (state, item) - c_j)

Such sums are found by :mod:`dmmlab.synthesis.exact_fits`. A neuron for each threshold, and one for
each linear part, read the state as a linear combination of themselves: the loop takes one cycle,
and the answer is due two cycles after its item. An answer that is a conjunction of thresholds
(which of three came most often?) takes two cycles more.

All weights are fractions from the start, and nothing is trusted: what comes out is a machine like
any other, to be validated, tested, and proved.
"""

import itertools
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import LabError
from ..core.machine import Machine, customary_links
from ..core.network_matrix import matrix_of
from ..core.neuron_type import NeuronType, Port
from ..core.neurons import ACCUM, COMPARE, CONST_1, INPUT, TIMER, answering
from ..machines.exact_steps import ExactMachine
from .automata import Automaton
from .counterexamples import counterexample
from .draws import Items
from .exact_fits import Affine, Hinge, Sum, fit_conjunctions, fit_sum
from .explorations import alphabet_of, explore, numbers_of, target_of
from .problems import Problem

LONGEST = 40  # items of the strings whose transitions are looked at; every fourth is four times as long
ITEMS = 4000  # of all strings together
MOST = 2500  # transitions
STATES, SECONDS = 2000, 4.0  # of an exploration for strings on which a machine errs
ROUNDS = 12  # of looking for a string on which the machine errs, and learning from it
LARGE = 10**7  # numbers up to this are looked at: least squares are solved in floats
_SUM, _COMPARE = replace(ACCUM, feedback=()), COMPARE  # a sum that does not remember


class TransitionError(LabError):
    """A target that shows no state, or whose transitions are no sum of few neurons."""


class Transitions(NamedTuple):
    """What is seen of an automaton: whole numbers, one row for each transition.

    ``before`` and ``after`` are (transitions, components) of the state, less the initial state;
    ``items`` are (transitions, inputs), ``answers`` (transitions, answers).
    """

    before: np.ndarray
    items: np.ndarray
    after: np.ndarray
    answers: np.ndarray


def observe(problem: Problem, seed: int = 0, strings: Sequence[Items] = ()) -> Transitions:
    """The transitions of a problem's automaton on drawn strings.

    Args:
        problem: its target is an automaton, its state a number or a tuple of numbers, and its items
            are numbers.
        seed: for the random numbers.
        strings: to look at beside those that are drawn.

    Returns:
        The distinct transitions.

    Raises:
        TransitionError: it is not so.
    """
    if not isinstance(problem.target, Automaton):
        raise TransitionError("the target shows no state: write it as an Automaton")
    initial = _numbers(problem.target.initial, "the initial state")
    rng = random.Random(f"transitions {seed}")
    lengths = [problem.longest or LONGEST * (1 if i % 4 else 4) for i in range(ITEMS // (problem.longest or 2 * LONGEST))]
    rows: dict[tuple, None] = {}
    drawn = (
        _with_silence(rng, problem.draw(rng, "abc", length)) if problem.silence else problem.draw(rng, "abc", length)
        for length in lengths
    )
    for items in itertools.chain(strings, drawn):
        state = problem.target.initial
        for item in items:
            try:
                after, answer = problem.target.step(state, item)
            except Exception as error:
                raise TransitionError(f"the target's step: {type(error).__name__}: {error}") from error
            x = _numbers(tuple(numbers_of(problem, item)), "an item")
            rows[*_numbers(state, "a state"), *x, *_numbers(after, "a state"), *_numbers(answer, "an answer")] = None
            state = after
    n, m = len(initial), len(problem.inputs)
    if len({len(row) for row in rows}) > 1:
        raise TransitionError("states of different sizes")
    small = [row for row in rows if max(map(abs, row)) < LARGE]
    first = sum(map(len, strings))  # what was learned from is kept
    chosen = small[:first] + random.Random(0).sample(small[first:], min(len(small[first:]), MOST))
    table = np.array(chosen, dtype=object)
    before, inputs, after, answers = np.split(table, [n, n + m, 2 * n + m], axis=1)
    return Transitions(before - np.array(initial), inputs, after - np.array(initial), answers)


def _numbers(value: Any, what: str) -> tuple[int, ...]:
    numbers = tuple(value) if isinstance(value, tuple) else (value,)
    if not all(isinstance(x, int | float) and float(x).is_integer() for x in numbers):
        raise TransitionError(f"{what} {value!r}: expected a whole number, or a tuple of them")
    return tuple(map(int, numbers))


def _with_silence(rng: random.Random, items: Items) -> Items:
    return [each for item in items for each in [*[{}] * rng.randrange(2), item]]


def transition_machine(problem: Problem, seed: int = 0, budget: float | None = None) -> tuple[Machine, tuple[int, ...]]:
    """The machine whose state follows a problem's automaton.

    Strings on which it errs are looked for, and learned from, until there is none.

    Args:
        problem: its target is an automaton.
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
        machine, delays = _fitted(problem, observe(problem, seed, strings))
        wrong = _string_on_which_it_errs(problem, machine, delays)
        if wrong is None:
            return machine, delays
        strings.append(wrong)
    raise TransitionError(f"after {len(strings)} strings on which it erred, it errs on another")


def _string_on_which_it_errs(problem: Problem, machine: Machine, delays: tuple[int, ...]) -> Items | None:
    target = target_of(problem)
    if target is not None and problem.alphabet:
        found = explore(ExactMachine(machine), problem, target, alphabet_of(problem)[0], delays, STATES, SECONDS)
        if found.refuted is not None or found.complete:
            return found.refuted
    found_by_chance = counterexample(problem.with_delay(delays), machine)
    return None if found_by_chance is None else list(found_by_chance.items)


def _fitted(problem: Problem, seen: Transitions) -> tuple[Machine, tuple[int, ...]]:
    """The machine of these transitions, right or not on others."""
    inputs = np.concatenate([seen.before, seen.items], axis=1)
    known: list[Hinge] = []
    state: list[Sum] = []
    for i, column in enumerate(seen.after.T):
        found = fit_sum(inputs, column, known)
        if found is None:
            raise TransitionError(f"number {i + 1} of the next state is no sum of few neurons")
        state.append(found)
        known += found.hinges
    builder = _Builder(problem, state)
    delays = []
    for name, column in zip(problem.answers, seen.answers.T, strict=True):
        direct = fit_sum(inputs, column, known)
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


class _Builder:
    """Makes neurons of sums: an accumulator for each linear part, a comparison for each hinge.

    All of them read (state, item); the state is a sum of their own outputs. What reads the state
    alone sees it as it is after the item before.
    """

    def __init__(self, problem: Problem, state: Sequence[Sum]):
        self.problem, self.state = problem, state
        self.terms: dict[tuple[Hinge | Affine, bool], str] = {}  # the neuron of each, and whether it is late
        self.links: dict[tuple[Port, Port], Fraction] = {}
        self.neurons: dict[str, NeuronType] = {}
        self.late_one: str | None = None
        for each in state:
            self._outputs(each)
        for term in list(self.terms):
            self._feed(*term)

    def answer(self, name: str, function: Sum, is_late: bool = False) -> int:
        """Links an answer to a function of (state, item), and returns its delay in cycles.

        One that ``is_late`` is a function of the state after the item.
        """
        before = list(self.terms)
        for port, weight in self._outputs(function, is_late):
            self._link(("output", name), port, weight)
        for term in [term for term in self.terms if term not in before]:
            self._feed(*term)
        return 3 if is_late else 2

    def answer_by_conjunctions(self, name: str, conjunctions: Mapping[int, Sequence[Hinge]]) -> int:
        """Links an answer to neurons that each say whether all of some thresholds are passed."""
        for value, hinges in conjunctions.items():
            both = self._neuron(_COMPARE)
            self._link((both, "dict-1"), ("const_1", "const_1"), Fraction(1 - len(hinges)))
            for direction, threshold in hinges:
                for at, sign in ((threshold, 1), (threshold + 1, -1)):
                    term = Hinge(direction, at), True
                    is_new = term not in self.terms
                    self._link((both, "dict-1"), self._port(*term), Fraction(sign))
                    if is_new:
                        self._feed(*term)
            self._link(("output", name), (both, "true"), Fraction(value))
        return 4

    def machine(self) -> Machine:
        """The machine, without what reaches no answer; but all that reads stays."""
        sources = dict.fromkeys(self.problem.inputs, INPUT) | {"const_1": CONST_1}
        neurons = {"timer": TIMER, **sources, **self.neurons, "output": answering(tuple(self.problem.answers))}
        soft = matrix_of((*to, *source, float(weight)) for (to, source), weight in self.links.items() if weight)
        live = Machine(neurons, soft, customary_links(neurons)).live()
        kept = {name: kind for name, kind in neurons.items() if name in live.neurons or name in ("timer", *self.problem.inputs)}
        return Machine(kept, live.soft, customary_links(kept))

    def _outputs(self, function: Sum, is_late: bool = False) -> list[tuple[Port, Fraction]]:
        """The outputs, with weights, whose sum is the function of (state, item)."""
        terms: list[tuple[Hinge | Affine, Fraction]] = list(function.hinges.items())
        if any(function.linear) or function.constant:
            terms.append((Affine(function.linear, function.constant), Fraction(1)))
        return [(self._port(term, is_late), weight) for term, weight in terms]

    def _port(self, term: Hinge | Affine, is_late: bool) -> Port:
        kind, output = (_COMPARE, "true") if isinstance(term, Hinge) else (_SUM, "dict")
        if (term, is_late) not in self.terms:
            self.terms[term, is_late] = self._neuron(kind)
        return self.terms[term, is_late], output

    def _neuron(self, kind: NeuronType) -> str:
        name = f"{kind.name}-{1 + sum(each is kind for each in self.neurons.values())}"
        self.neurons[name] = kind
        return name

    def _feed(self, term: Hinge | Affine, is_late: bool) -> None:
        """Links what a term is a function of to its neuron.

        The constant of one that is late comes a cycle later, as the first item does: before that
        all is zero.
        """
        if isinstance(term, Hinge):
            into, constant = "dict-1", Fraction(-term.threshold)
            coefficients: Sequence[int | Fraction] = term.direction
        else:
            into, coefficients, constant = "dict-2", term.linear, term.constant
        neuron = self.terms[term, is_late], into
        for component, coefficient in zip(self.state, coefficients, strict=False):
            for port, weight in self._outputs(component):
                self._link(neuron, port, coefficient * weight)
        for name, coefficient in zip(self.problem.inputs, coefficients[len(self.state) :], strict=False):
            self._link(neuron, (name, "char"), Fraction(coefficient))
        one = ("const_1", "const_1")
        if is_late and constant:
            if self.late_one is None:
                self.late_one = self._neuron(_SUM)
                self._link((self.late_one, "dict-2"), one, Fraction(1))
            one = self.late_one, "dict"
        self._link(neuron, one, constant)

    def _link(self, to: Port, source: Port, weight: Fraction) -> None:
        self.links[to, source] = self.links.get((to, source), Fraction(0)) + weight
