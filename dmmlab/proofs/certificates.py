"""Certificates: proofs that can be checked independently of the search that found them.

An *exploration* is a table. It has a row for each joint state of machine and target (the outputs of
the neurons, the target's state, the answers that are due), with the machine's answers and the next
joint state for each item. The checker recomputes every entry with the tree engine.

An *induction* is an invariant. It has linear functions that give the inputs of the machine's
neurons from the target's last cycles (its states, the items, its answers), and bounds on the
target's state. The checker runs machine and target on symbols, on every path. It asks z3 whether
the invariant holds after the first cycles, whether every cycle preserves it, and whether it makes
the answers right. Numbers are reals; they are whole numbers only if the step itself implies it.

The search for certificates is not part of this module. A proof relies on the tree engine in
fractions (:mod:`dmmlab.machines.exact_steps`), on this module, :mod:`dmmlab.proofs.symbols` and
:mod:`dmmlab.proofs.plain_steps`, and on z3. A certificate is only data, and need not be trusted.
"""

import copy
import itertools
import math
import re
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from numbers import Number
from types import FunctionType
from typing import Any

from ..core.errors import LabError, told
from ..core.machine import Machine
from ..core.neurons import is_built_in
from ..core.vvalues import VValue, describe
from ..machines.exact_steps import Exact, ExactMachine, exact, relevant
from ..machines.isomorphism import same
from ..problems.automata import Automaton
from ..problems.problems import Problem
from .plain_steps import why_not_plain
from .symbols import Symbol, is_zero, on_all_paths, solver

FORM = "dmmlab certificate 1"
SECONDS = 60.0  # for an induction
MOST_CYCLES = 1000  # of a delay, or to look back, at most
MOST_CASES = 1500  # strings of known items on which an induction is run one by one, at most
PLAIN = (int, bool, float, str, type(None), Fraction)  # the types in a state
Certificate = Mapping[str, Any]  # in the form of JSON data


class CertificateError(LabError):
    """Raised if a certificate does not prove its claim."""


def check_certificate(
    problem: Problem, machine: Machine, certificate: Certificate, seconds: float = SECONDS, exact: ExactMachine | None = None
) -> str:
    """Checks a certificate, and returns the grade that it proves for a machine.

    Args:
        problem: the problem.
        machine: the machine that answers.
        certificate: of :attr:`~dmmlab.proofs.proofs.Proof.certificate`.
        seconds: the time limit.
        exact: the machine in exact arithmetic, if it exists already.

    Returns:
        The grade: ``identical``, ``proved`` or ``exhaustive``. If the problem has no alphabet,
        ``exhaustive`` refers to the items that the certificate names.

    Raises:
        CertificateError: it proves nothing, or is no certificate.
        LabError: the machine cannot be run exactly, or z3 cannot decide.
    """
    try:
        if not isinstance(certificate, Mapping) or certificate.get("form") != FORM:
            raise CertificateError(f"expected an object with the form {FORM!r}")
        by = certificate["by"]
        if by == "exploration":
            return _check_exploration(problem, exact or ExactMachine(machine), certificate)
        if by == "induction":
            Induction(problem, machine, certificate, time.monotonic() + seconds).check()
            return "proved"
        _expect(by == "sameness" and is_the_target(problem, machine), "the machine is not the target")
        return "identical"
    except LabError:
        raise
    except Exception as error:  # a certificate is data: any defect is reported in one line
        raise CertificateError(f"no certificate: {told(error)}") from None


def is_the_target(problem: Problem, machine: Machine) -> bool:
    """Returns whether a machine is the target, up to neuron names and parts without effect."""
    target = problem.target
    if not isinstance(target, Machine) or not same(machine, target, tolerance=0.0):
        return False
    for kind in (*machine.neurons.values(), *target.neurons.values()):  # a type may describe itself wrongly
        plain = isinstance(kind.function, FunctionType) and kind.inputs and not (kind.accumulates or kind.scaling)
        if not (is_built_in(kind) or plain):
            return False
    return relevant(machine) == machine.leading_to({"output"})


def _check_exploration(problem: Problem, exact: ExactMachine, certificate: Certificate) -> str:
    target = problem.target
    other = ExactMachine(target) if isinstance(target, Machine) else None
    delays, length = _delays(problem, certificate), certificate["length"]
    _expect(length is not None or bool(problem.alphabet), "there is no alphabet")
    items = [*(problem.alphabet or certificate["items"]), *([{}] if problem.silence else [])]
    _expect(any(items), "there are no items")
    reads = [problem.items_by_neuron(item) for item in [*items, {}]]
    shown = [exact.shown(each) for each in reads]
    last, longest = max(delays), problem.longest if problem.longest is not None else math.inf

    def target_after(state: Any, i: int) -> tuple[Any, Sequence[Any]]:
        if other is not None:
            given, emitted = other.step(state)
            return emitted + other.shown(reads[i]), given
        after, answer = target.step(state, problem.as_read(copy.deepcopy([*items, {}][i])))  # type: ignore[union-attr]
        return after, answer if isinstance(answer, tuple | list) else (answer,)

    def same_state(one: tuple, another: tuple) -> bool:
        same_target = one[1] == another[1] if other is not None else _alike(one[1], another[1])
        return same_target and (one[0], *one[2:]) == (another[0], *another[2:])

    # A joint state: neuron outputs, the target's state, the answers due, cycles since the end.
    start = other.initial if other else target.initial  # type: ignore[union-attr]
    states: list[tuple] = [(exact.initial, start, tuple((Fraction(0),) * d for d in delays), 0)]
    cycles = [0]
    for at, (row, answered) in enumerate(zip(certificate["transitions"], certificate["answers"], strict=True)):
        emitted, state, due, ended = states[at]
        given, after = exact.step(emitted)
        _expect(list(given) == [*map(_number, answered)], f"state {at}: the machine answers otherwise")
        may_end = problem.longest is not None and (0 < ended < last or (ended == 0 < min(cycles[at], last)))
        choices = [*(range(len(items)) if ended == 0 and cycles[at] < longest else ()), *([len(items)] if may_end else [])]
        for i, place in zip(choices, row, strict=True):
            following, answers = target_after(state, i)
            queues = [(*queue, Fraction(answer)) for queue, answer in zip(due, answers, strict=True)]
            _expect(all(q[0] == x for q, x in zip(queues, given, strict=True)), f"state {at}: the answer is wrong")
            joint = (after + shown[i], following, tuple(q[1:] for q in queues), ended + (i == len(items)))
            if place == len(states):
                states.append(joint)
                cycles.append(cycles[at] + 1)
            _expect(
                0 <= place < len(states) and same_state(joint, states[place]),
                f"state {at}: item {i} does not lead to state {place}",
            )
    rest = range(len(certificate["transitions"]), len(states))
    if length is None:
        _expect(not rest and all(cycle < longest for cycle in cycles), "there are states that have no row")
        return "proved"
    _expect(length > 0 and all(cycles[at] >= length + last for at in rest), f"not all strings of {length} items were tried")
    return "exhaustive"


class Induction:
    """An invariant, and the three checks that make it a proof.

    Args:
        problem: its target is an automaton with numbers as states and a plain step; its alphabet
            consists of numbers, and there is no silence.
        machine: a machine of built-in neuron types.
        certificate: with ``delays``, ``depth`` and ``passing`` in cycles; ``relation``, for each
            input port a list of pairs (index of a number in the window, coefficient); ``bounds``,
            pairs of a vector and the largest value that its product with the target's state may
            have; ``whole``, whether the states are whole numbers; and ``concrete``, whether the
            items of the alphabet are tried one by one.
        end: when to stop, as a value of ``time.monotonic()``.

    Raises :class:`CertificateError` if these conditions do not hold.
    """

    def __init__(self, problem: Problem, machine: Machine, certificate: Certificate, end: float):
        target = problem.target
        _expect(isinstance(target, Automaton), "an induction needs an automaton")
        assert isinstance(target, Automaton)
        _expect(bool(problem.alphabet) and not problem.silence, "an induction needs an alphabet, and no silence")
        objection = why_not_plain(target.step)
        _expect(not objection, f"the target's step may tell a symbol from a number: {objection}")
        self.problem, self.exact, self.automaton, self.end = problem, ExactMachine(machine), target, end
        _expect(not self.exact.own_types, f"neurons of types that are not built in: {', '.join(self.exact.own_types)}")
        self.is_tuple = isinstance(target.initial, tuple)
        self.initial = target.initial if self.is_tuple else (target.initial,)
        _expect(all(isinstance(x, Number) for x in self.initial), "the target's states are no numbers")
        self.delays, self.depth, self.passing = _delays(problem, certificate), certificate["depth"], certificate["passing"]
        _expect(0 < self.depth <= MOST_CYCLES >= self.passing >= 0, "a number of cycles that cannot be")
        _expect(self.depth + self.passing >= max(self.delays) - 1, "too few cycles")
        self.ports = [(n, f) for n, kind in self.exact.neurons.items() if kind.outputs for f in kind.inputs]
        relation = {port: [(i, Exact(_number(x))) for i, x in terms] for port, terms in certificate["relation"].items()}
        self.relation = [relation.get(f"{name}.{f}") for name, f in self.ports]
        self.bounds = [(tuple(map(int, vector)), _number(bound)) for vector, bound in certificate["bounds"]]
        self.letters = [_letter(problem, item) for item in [*problem.alphabet, *([{}] if problem.longest is not None else [])]]
        self.concrete, self.whole, z3 = bool(certificate["concrete"]), bool(certificate["whole"]), solver()
        self.state = [(z3.Int if self.whole else z3.Real)(f"s{i}") for i in range(len(self.initial))]
        self.within = [z3.simplify(_dot(vector, self.state) <= _z3(bound)) for vector, bound in self.bounds if any(vector)]

    def check(self) -> None:
        """Raises :class:`CertificateError` if it is no proof, and LabError if z3 cannot decide."""
        _expect(all(isinstance(x, int) for x in self.initial) or not self.whole, "the first state is not whole")
        _expect(all(_dot(v, self.initial) <= b for v, b in self.bounds), "the first state is out of bounds")
        _expect(all(self.kept()), "a step leaves the bounds")
        n, d = len(self.state), self.depth
        for variables, allowed in self._items(d + self.passing):
            self._prove(self._first_cycles, variables, allowed, "the first cycles are wrong")
        free = [solver().Real(f"a{i}") for i in range(len(self.ports))]
        for variables, allowed in self._items(d + 1 + self.passing):

            def run(numbers: Sequence[Any]) -> list[Any]:
                state, arrived, items = numbers[:n], numbers[n : n + len(free)], numbers[n + len(free) :]
                return self._next_cycles(tuple(state), arrived, items)

            self._prove(run, [*self.state, *free, *variables], [*self.within, *allowed], "a cycle breaks the invariant")

    def kept(self) -> list[bool]:
        """Returns which bounds every step preserves, if all hold before; checks ``whole``, too."""
        kept = [True] * len(self.bounds)
        for variables, allowed in self._items(1):

            def run(numbers: Sequence[Any]) -> list[Any]:
                return list(self._step(tuple(numbers[: len(self.state)]), self._letters(numbers[len(self.state) :])[0])[0])

            for path, after in on_all_paths(run, [*self.state, *variables], [*self.within, *allowed], self.end):
                whole = all(x.is_whole if isinstance(x, Symbol) else isinstance(x, int) for x in after)
                _expect(whole or not self.whole, "a step makes a state that is not whole")
                for i, (vector, bound) in enumerate(self.bounds):
                    total = _dot(vector, after)
                    holds = total.expression <= _z3(bound) if isinstance(total, Symbol) else total <= bound
                    kept[i] = kept[i] and path.holds([holds])
        return kept

    def _prove(self, run: Any, variables: Sequence[Any], assumed: Sequence[Any], what: str) -> None:
        for path, wrong in on_all_paths(run, variables, assumed, self.end):
            _expect(path.holds([is_zero(each) for each in wrong]), what)

    def _items(self, count: int) -> list[tuple[list[Any], list[Any]]]:
        """Returns pairs (numbers, conditions): one with unknown items, or one per known string."""
        z3, width = solver(), len(self.problem.inputs)
        if self.concrete:
            _expect(len(self.letters) ** count <= MOST_CASES, "too many strings of known items")
            return [(list(itertools.chain(*case)), []) for case in itertools.product(self.letters, repeat=count)]
        columns = list(zip(*self.letters, strict=True))
        whole = [all(x.denominator == 1 for x in column) for column in columns]
        is_box = all(whole) and len(set(self.letters)) == math.prod(int(max(c) - min(c)) + 1 for c in columns)
        numbers, conditions = [], []
        for t in range(count):
            mine = [(z3.Int if whole[i] else z3.Real)(f"x{t}_{i}") for i in range(width)]
            numbers += mine
            if is_box:
                conditions += [z3.And(x >= _z3(min(c)), x <= _z3(max(c))) for x, c in zip(mine, columns, strict=True)]
            else:
                conditions.append(
                    z3.Or(*(z3.And(*(x == _z3(v) for x, v in zip(mine, each, strict=True))) for each in set(self.letters)))
                )
        return [(numbers, conditions)]

    def _letters(self, numbers: Sequence[Any]) -> list[tuple]:
        width = len(self.problem.inputs)
        return [tuple(numbers[i : i + width]) for i in range(0, len(numbers), width)]

    def _step(self, state: tuple, letter: tuple) -> tuple[tuple, tuple]:
        """Runs the target's step, with states, items and answers as tuples."""
        names = self.problem.inputs
        item = letter[0] if len(names) == 1 else dict(zip(names, letter, strict=True))
        after, answer = self.automaton.step(state if self.is_tuple else state[0], item)
        return (after if self.is_tuple else (after,)), (tuple(answer) if isinstance(answer, tuple | list) else (answer,))

    def reads(self, letter: tuple) -> Mapping[str, Any]:
        """Returns the number that each reading neuron reads."""
        return dict(zip(self.problem.inputs, letter, strict=True))

    def window(self, state: tuple, letters: Sequence[tuple]) -> tuple[list[tuple], list[tuple]]:
        """Runs the target from a state; returns all states, the first included, and the answers."""
        states, answers = [state], []
        for letter in letters:
            state, answer = self._step(state, letter)
            states.append(state)
            answers.append(answer)
        return states, answers

    def numbers(self, states: Sequence[tuple], letters: Sequence[tuple], answers: Sequence[tuple], start: int) -> list[Any]:
        """Returns the numbers of ``depth`` cycles in one list, followed by 1."""
        end = start + self.depth
        return [*sum((*states[start : end + 1], *letters[start:end], *answers[start:end]), ()), 1]

    def _first_cycles(self, numbers: Sequence[Any]) -> list[Any]:
        """Runs one cycle per item from the beginning; returns the numbers that must be zero."""
        letters, wrong = self._letters(numbers), list[Any]()
        emitted: VValue = {}
        states, answers = self.window(self.initial, letters)
        for t, letter in enumerate(letters):
            emitted = self.exact.emit(self.exact.arrive(emitted), self.reads(letter))
            wrong += self._wrong(emitted, answers, t)
            if t + 1 == self.depth:
                wrong += self._off(self.numbers(states, letters, answers, 0), emitted)
        return wrong

    def _next_cycles(self, state: tuple, free: Sequence[Any], numbers: Sequence[Any]) -> list[Any]:
        """Runs cycles from any state; returns numbers that are zero if the invariant is kept."""
        letters, wrong = self._letters(numbers), list[Any]()
        inputs: VValue = {}
        states, answers = self.window(state, letters)
        seen = self.numbers(states, letters, answers, 0)
        for (name, f), terms, x in zip(self.ports, self.relation, free, strict=True):
            inputs.setdefault(name, {})[f] = exact(x if terms is None else sum((a * seen[i] for i, a in terms), 0))
        for t, letter in enumerate(letters[self.depth :], self.depth):
            emitted = self.exact.emit(inputs, self.reads(letter))
            inputs = self.exact.arrive(emitted)
            if t == self.depth:
                wrong += self._off(self.numbers(states, letters, answers, 1), emitted)
        return wrong + self._wrong(emitted, answers, len(letters) - 1)

    def _wrong(self, emitted: VValue, answers: Sequence[tuple], t: int) -> list[Any]:
        """Returns the errors of answers in the cycle after ``t``; before one is due, 0 is right."""
        given = zip(self.exact.answers(self.exact.arrive(emitted)), self.delays, strict=True)
        return [x - (answers[t + 1 - d][i] if t + 1 >= d else 0) for i, (x, d) in enumerate(given)]

    def _off(self, seen: Sequence[Any], emitted: VValue) -> list[Any]:
        """Returns the errors of inputs that have a relation; all inputs must be numbers."""
        inputs, off = self.exact.arrive(emitted), []
        for (name, f), terms in zip(self.ports, self.relation, strict=True):
            v = inputs.get(name, {}).get(f, {})
            _expect(not (isinstance(v, dict) and v), f"{name}.{f}: what arrives is no number")
            if terms is not None:
                off.append((0 if isinstance(v, dict) else v) - sum((a * seen[i] for i, a in terms), 0))
        return off


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise CertificateError(what)


def _delays(problem: Problem, certificate: Certificate) -> tuple[int, ...]:
    """Returns the delays of the answers; they must be those of the problem, if it gives any."""
    delays = tuple(certificate["delays"])
    fixed = (0,) * len(problem.answers) if isinstance(problem.target, Machine) else problem.delays if problem.delay else None
    least = int(fixed is None)
    _expect(
        len(delays) == len(problem.answers) and all(type(d) is int and least <= d <= MOST_CYCLES for d in delays),
        "delays that cannot be",
    )
    _expect(fixed is None or delays == fixed, f"these delays, {delays}, are not those of the problem, {fixed}")
    return delays


def _letter(problem: Problem, item: VValue) -> tuple[Fraction | int, ...]:
    """Returns an item's numbers; the target and the reading neurons must see nothing else."""
    read, numbers = problem.as_read(item), [0 if v == {} else v for v in problem.items_by_neuron(item).values()]
    _expect(all(isinstance(x, Number) for x in numbers), f"the item {describe(item)} is no number")
    expected = numbers[0] if len(problem.inputs) == 1 else dict(zip(problem.inputs, numbers, strict=True))
    _expect(read == expected, f"of the item {describe(item)} the target reads {describe(read)}")
    fractions = map(Fraction, numbers)
    return tuple(x.numerator if x.denominator == 1 else x for x in fractions)


def _number(x: Any) -> Fraction:
    _expect(re.fullmatch(r"-?\d{1,500}(/\d{1,500})?", str(x)) is not None, f"expected a number, got {describe(x)}")
    return Fraction(str(x))


def _z3(x: Fraction | int) -> Any:
    return solver().Q(x.numerator, x.denominator) if x.denominator > 1 else x.numerator


def _dot(vector: Sequence[int], numbers: Sequence[Any]) -> Any:
    return sum((a * x for a, x in zip(vector, numbers, strict=True) if a), 0)


def _alike(one: Any, other: Any) -> bool:
    """Tests equality, but 1 and True differ: a target may distinguish types of numbers."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    _expect(type(one) in PLAIN, f"a state is {describe(one)}: expected numbers, texts, None, or tuples of them")
    return type(one) is type(other) and repr(one) == repr(other)
