"""Inductions: a machine is right on all strings, though it has infinitely many states.

What arrives at the neurons of a machine's loops is, in a machine that follows its target, a linear
function of what the target has been through lately: its state some cycles ago, the items since, the
states and answers in between. Which function is read off some runs, exactly, in fractions. What
arrives elsewhere may be anything at first: it has passed on after some cycles. That it always
holds, and that the answers are then right, is proved by induction over cycles: from any state and
any items for which it holds, one more cycle is run on symbols
(:mod:`dmmlab.synthesis.symbols`), on every path; z3 decides whether it holds again, and whether the
answer is right. Bounds on the target's state that this needs are guessed from runs, and those that
are not kept by every step are dropped until all are (Flanagan and Leino, "Houdini, an annotation
assistant for ESC/Java", FME 2001).
"""

import itertools
import random
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..core.vvalues import VValue
from ..machines.exact_steps import ExactMachine, combine
from .draws import Items, one_of_these
from .explorations import AutomatonTarget, items_by_neuron, numbers_of, scalar
from .problems import Problem
from .symbols import Path, Symbol, UnknownError, difference, on_all_paths, solver

RUNS, CYCLES = 12, 40  # from which the linear function is read off
LARGE = 10**9  # numbers up to this count as seen
MOST_CASES = 1500  # of concrete items
DEEPEST = 4  # cycles that are looked back


# For each arrival, places of numbers in a window, with coefficients; None if it is no such sum.
Relation = list[list[tuple[int, Fraction]] | None]


class Window(NamedTuple):
    """What a target has been through in some cycles: states (first and later), items, answers."""

    states: Sequence[tuple]
    items: Sequence[VValue]
    answers: Sequence[tuple]

    def part(self, start: int, depth: int) -> "Window":
        """So many cycles of it, from a later start."""
        end = start + depth
        return Window(self.states[start : end + 1], self.items[start:end], self.answers[start:end])

    def numbers(self, problem: Problem) -> list[Any]:
        """All of it, one behind the other, and 1."""
        return [
            *itertools.chain.from_iterable(self.states),
            *(x for item in self.items for x in numbers_of(problem, item)),
            *itertools.chain.from_iterable(self.answers),
            1,
        ]


def prove(machine: ExactMachine, problem: Problem, target: AutomatonTarget, delays: Sequence[int], seconds: float) -> str:
    """Proves by induction that the machine is right on all strings over the problem's alphabet.

    Args:
        machine: what is checked; numbers alone flow in it.
        problem: its items are numbers, its alphabet is given, and there is no silence.
        target: what is right; its state is a number or a tuple of numbers.
        delays: of each answer, in cycles.
        seconds: to spend.

    Returns:
        In words, by what the induction goes.

    Raises:
        UnknownError: it cannot be proved so.
    """
    end = time.monotonic() + seconds
    if problem.silence:
        raise UnknownError("silence may come between items, which is not a number of the alphabet")
    z3 = solver()
    proof = _Induction(machine, problem, target, delays, end)
    reason = UnknownError("no linear function of what was says what arrives at the machine's neurons")
    for depth in range(1, DEEPEST + 1):
        relation = proof.relation(depth)
        passing = machine.cycles_through({i for i, terms in enumerate(relation) if terms is None})
        if passing is None or depth + 1 + passing < max(delays):
            continue
        for concrete in (False, True):
            try:
                proof.check(z3, depth, passing, relation, concrete)
                return f"induction over cycles, looking back {depth}"
            except UnknownError as error:
                reason = error
    raise reason


class _Induction:
    """The parts of one proof."""

    def __init__(self, machine: ExactMachine, problem: Problem, target: AutomatonTarget, delays: Sequence[int], end: float):
        self.machine, self.problem, self.target, self.delays, self.end = machine, problem, target, delays, end
        self.is_tuple = isinstance(target.initial, tuple)
        self.initial = target.initial if self.is_tuple else (target.initial,)
        draws = (problem.draw, one_of_these(problem.alphabet))  # what a draw seldom shows counts, too
        self.runs = [self._run(draws[i % 2](random.Random(f"induction {i}"), "abc", CYCLES)) for i in range(RUNS)]

    def step(self, state: tuple, item: VValue) -> tuple[tuple, tuple]:
        """The target's step, with states as tuples."""
        after, answers = self.target.step(state if self.is_tuple else state[0], item)
        return (after if self.is_tuple else (after,)), answers

    def window(self, state: tuple, items: Sequence[VValue]) -> Window:
        """What the target goes through from a state on."""
        states, answers = [state], []
        for item in items:
            state, answer = self.step(state, item)
            states.append(state)
            answers.append(answer)
        return Window(states, items, answers)

    def _run(self, items: Items) -> tuple[list[tuple], list[VValue], list[list[VValue]]]:
        """States after each cycle (first the initial one), items, arrivals of the next cycle."""
        outputs, states, arrivals = self.machine.initial, [self.initial], []
        for item in items:
            outputs = self.machine.step(outputs, items_by_neuron(self.problem, item))
            states.append(self.step(states[-1], item)[0])
            arrivals.append(self.machine.arrive(outputs))
        return states, items, arrivals

    def relation(self, depth: int) -> Relation:
        """What the numbers of a window of this depth say about each arrival."""
        rows, values = [], []
        for states, items, arrivals in self.runs:
            for t in range(depth - 1, len(items)):
                window = self.window(states[t + 1 - depth], items[t + 1 - depth : t + 1]).numbers(self.problem)
                if all(abs(x) < LARGE for x in (*window, *map(scalar, arrivals[t]))):
                    rows.append(window)
                    values.append([scalar(v) for v in arrivals[t]])
        table, wanted = np.array(rows, dtype=object), np.array(values, dtype=object)
        if not len(table) or any(isinstance(v, dict) for _, _, all_ in self.runs for each in all_ for v in each):
            raise UnknownError("something else than numbers flows in the machine")
        chosen = _independent(table.astype(float))
        basis = table[:, chosen].astype(float)
        size = np.abs(basis).max(axis=0)
        solved = np.linalg.lstsq(basis / size, wanted.astype(float), rcond=None)[0] / size[:, None]
        found: Relation = []
        for column, right in zip(solved.T, wanted.T, strict=True):
            rounded = [(i, Fraction(float(x)).limit_denominator(1000)) for i, x in zip(chosen, column, strict=True)]
            terms: list[tuple[int, Fraction]] | None = [(i, x) for i, x in rounded if x]
            if any(
                sum((x * row[i] for i, x in rounded), Fraction(0)) != value for row, value in zip(table, right, strict=True)
            ):
                terms = None
            found.append(terms)
        return found

    def check(self, z3: Any, depth: int, passing: int, relation: Relation, concrete: bool) -> None:
        """Base case and step; raises :class:`UnknownError` if one of them cannot be shown."""
        state = [z3.Int(f"s{i}") for i in range(len(self.initial))]
        anything = [z3.Real(f"a{i}") for i in range(len(relation))]
        for items, allowed in self._items(z3, depth + passing, concrete):

            def base(path: Path, items: Sequence[Any] = items) -> list[Any]:
                return self._first_cycles(relation, depth, _symbols(items, path))

            self._all(base, allowed, "the first cycles")
        invariants = self._invariants(z3, state, concrete)
        for items, allowed in self._items(z3, depth + 1 + passing, concrete):

            def step(path: Path, items: Sequence[Any] = items) -> list[Any]:
                window = self.window(tuple(Symbol(s, path) for s in state), _symbols(items, path))
                return self._next_cycles(relation, depth, window, [Symbol(a, path) for a in anything])

            self._all(step, [*invariants, *allowed], "the step from a cycle to the next")

    def _all(self, run: Any, assumed: Sequence[Any], what: str) -> None:
        for path, wrong in on_all_paths(run, assumed, self.end):
            if not path.holds([each == 0 for each in wrong]):
                raise UnknownError(f"{what} cannot be shown")

    def _items(self, z3: Any, count: int, concrete: bool) -> list[tuple[list[Any], list[Any]]]:
        """Pairs (items, conditions): one with symbols, or one for each string of so many items."""
        alphabet, inputs = self.problem.alphabet, self.problem.inputs
        if concrete:
            if len(alphabet) ** count > MOST_CASES:
                raise UnknownError("too many strings for one proof each")
            return [(list(each), []) for each in itertools.product(alphabet, repeat=count)]
        items, conditions = [], []
        possible = [tuple(numbers_of(self.problem, item)) for item in alphabet]
        columns = list(zip(*possible, strict=True))
        is_box = len(set(possible)) == np.prod([max(c) - min(c) + 1 for c in columns])
        for t in range(count):
            numbers = [z3.Int(f"x{t}_{i}") for i in range(len(inputs))]
            items.append(numbers[0] if len(inputs) == 1 else dict(zip(inputs, numbers, strict=True)))
            if is_box:
                conditions += [z3.And(x >= min(c), x <= max(c)) for x, c in zip(numbers, columns, strict=True)]
            else:
                conditions.append(z3.Or(*(z3.And(*(x == v for x, v in zip(numbers, each, strict=True))) for each in possible)))
        return [(items, conditions)]

    def _first_cycles(self, relation: Relation, depth: int, items: Sequence[VValue]) -> list[Any]:
        """From the beginning: what has to be zero in as many cycles as there are items."""
        outputs, wrong = self.machine.initial, []
        window = self.window(self.initial, items)
        for t, item in enumerate(items):
            outputs = self.machine.step(outputs, items_by_neuron(self.problem, item))
            wrong += self._wrong(outputs, window.answers, t)
            if t + 1 == depth:
                wrong += self._off(relation, window.part(0, depth), self.machine.arrive(outputs))
        return wrong

    def _next_cycles(self, relation: Relation, depth: int, window: Window, anything: Sequence[Any]) -> list[Any]:
        """From any state: what has to be zero after one cycle, and in the answers of the last."""
        numbers = tuple(window.part(0, depth).numbers(self.problem))
        arrived = [free if terms is None else combine(terms, numbers) for terms, free in zip(relation, anything, strict=True)]
        wrong = []
        for t, item in enumerate(window.items[depth:], depth):
            outputs = self.machine.emit(arrived, items_by_neuron(self.problem, item))
            arrived = self.machine.arrive(outputs)
            if t == depth:
                wrong += self._off(relation, window.part(1, depth), arrived)
        return wrong + self._wrong(outputs, window.answers, len(window.items) - 1)

    def _wrong(self, outputs: tuple, answers: Sequence[tuple], t: int) -> list[Any]:
        """What the answers of the cycle after ``t`` are off by; before one is due, 0 is right."""
        given = zip(self.machine.answers(outputs), self.delays, strict=True)
        return [difference(scalar(v), answers[t + 1 - d][i] if t + 1 >= d else 0) for i, (v, d) in enumerate(given)]

    def _off(self, relation: Relation, window: Window, arrived: Sequence[VValue]) -> list[Any]:
        """What arrivals that have a relation are off by."""
        numbers = tuple(window.numbers(self.problem))
        pairs = zip(arrived, relation, strict=True)
        return [difference(scalar(v), combine(terms, numbers)) for v, terms in pairs if terms is not None]

    def _invariants(self, z3: Any, state: Sequence[Any], concrete: bool) -> list[Any]:
        """Bounds that every step keeps, on the target's state and on differences of its numbers."""
        seen = np.array([s for states, _, _ in self.runs for s in states if all(abs(x) < LARGE for x in s)], dtype=object)
        vectors = [tuple(int(i == j) for j in range(len(state))) for i in range(len(state))]
        if len(state) <= 4:
            vectors += [tuple(a - b for a, b in zip(u, v, strict=True)) for u, v in itertools.combinations(vectors, 2)]
        bounds = []
        for vector in vectors:
            along = seen @ np.array(vector, dtype=object)
            bounds += [(vector, int(along.max())), (tuple(-x for x in vector), int((-along).max()))]

        def conditions(numbers: Sequence[Any]) -> list[Any]:
            return [(sum((a * x for a, x in zip(vector, numbers, strict=True) if a), 0), bound) for vector, bound in bounds]

        while bounds:
            kept = [True] * len(bounds)
            assumed = [left <= bound for left, bound in conditions(state)]
            for items, allowed in self._items(z3, 1, concrete):

                def step(path: Path, items: Sequence[Any] = items) -> tuple:
                    return self.step(tuple(Symbol(s, path) for s in state), _symbols(items, path)[0])[0]

                for path, after in on_all_paths(step, [*assumed, *allowed], self.end):
                    for i, (left, bound) in enumerate(conditions(after)):
                        holds = left.expression <= bound if isinstance(left, Symbol) else left <= bound
                        kept[i] = kept[i] and path.holds([holds])
            if all(kept):
                break
            bounds = [bound for bound, keep in zip(bounds, kept, strict=True) if keep]
        return [left <= bound for left, bound in conditions(state)]


def _symbols(items: Sequence[Any], path: Path) -> list[VValue]:
    def symbol(x: Any) -> Any:
        return x if isinstance(x, int | float) else Symbol(x, path)

    return [{name: symbol(x) for name, x in item.items()} if isinstance(item, Mapping) else symbol(item) for item in items]


def _independent(table: np.ndarray) -> list[int]:
    """Columns, from the last to the first, that are linearly independent of those before."""
    chosen: list[int] = []
    basis: list[np.ndarray] = []
    for i in reversed(range(table.shape[1])):
        column = table[:, i] / (np.abs(table[:, i]).max() or 1.0)
        rest = column.copy()
        for _ in range(2):
            for each in basis:
                rest -= np.dot(each, rest) * each
        if np.linalg.norm(rest) > 1e-7 * max(1.0, float(np.linalg.norm(column))):
            basis.append(rest / np.linalg.norm(rest))
            chosen.append(i)
    return chosen
