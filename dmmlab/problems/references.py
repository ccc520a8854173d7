"""References: the target of a problem, as the lab runs it.

A user gives a target as a function, an automaton or a machine. A :class:`Reference` hides the
difference. It answers a whole string in double precision, or one item after the other in exact
arithmetic. It says how late its answers are due, and whether its state is visible, as a proof needs
it to be.

A function answers each item in the item's own cycle; the answer is due some cycles later. A
machine's answers keep the cycles in which the machine gives them.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from numbers import Rational
from typing import Any, NamedTuple

import jax
import numpy as np

from ..compiler.chunk_runner import ChunkRunner
from ..compiler.chunks import CHUNK, Chunks, cut_up, join_up
from ..compiler.compilation import compile_machine
from ..compiler.compiled import Compiled
from ..core.errors import LabError, told
from ..core.machine import Machine
from ..core.streams import values
from ..core.summaries import plural
from ..core.vvalues import VValue, describe, from_paths, paths
from ..machines.exact_steps import ExactMachine, key_of
from ..machines.isomorphism import same
from ..pruning.samples import Rows, as_rows
from .automata import STATE_TYPES, Automaton
from .items import LETTERS, Items, Reader
from .target_rows import Function, Row, checked, has_trees, numbers_of, rows_of


class TargetError(LabError):
    """Raised if a target's step fails, or gives an invalid state or answer."""


class ExactTarget(NamedTuple):
    """A target that runs one cycle at a time, in exact arithmetic.

    ``step`` takes a state and an item, and returns the next state and the answers that are due
    ``delays`` cycles later. ``key`` returns a hashable key of a state; two keys are equal if and
    only if the states are.
    """

    initial: Any
    step: Callable[[Any, VValue], tuple[Any, tuple]]
    key: Callable[[Any], Hashable]

    def after(self, state: Any, item: VValue) -> tuple[Any, Hashable, tuple]:
        """Returns the next state, its key, and answers. Raises :class:`TargetError` on errors."""
        try:
            following, answers = self.step(state, copy.deepcopy(item))
            return following, self.key(following), answers
        except Exception as error:  # any error of a user's step
            raise TargetError(f"the target: {told(error)}") from error


class Reference(ABC):
    """A target of any kind.

    ``is_code`` says whether the target is Python code, in which a user may have made mistakes.
    ``shows_state`` says whether its state is visible. ``automaton`` is the target if it is an
    automaton, else None.

    Args:
        target: a function, an automaton or a machine.
        names: the names of the answers.
        delays: the number of cycles from an item to each of a function's answers.
        reader: converts items to what neurons and functions read.
        are_vvalues: says whether the answers are V-values.
    """

    is_code = True
    shows_state = False
    automaton: Automaton | None = None

    def __init__(
        self, target: Any, names: Sequence[str], delays: Sequence[int], reader: Reader, are_vvalues: Callable[[], bool]
    ):
        self.target, self.names, self.delays = target, names, tuple(delays)
        self.reader, self.are_vvalues = reader, are_vvalues

    @property
    @abstractmethod
    def description(self) -> str:
        """The kind of target, in a few words."""

    @property
    @abstractmethod
    def is_slow(self) -> bool:
        """Whether the target should be run on few strings."""

    @abstractmethod
    def answers(self, items: Items) -> tuple[np.ndarray, Rows]:
        """Returns the answers; a function's answers are not delayed.

        Args:
            items: V-values, one a cycle; ``{}`` is silence.

        Returns:
            An array (answers, cycles), and no rows. If answers are V-values, an array (their
            coordinates, cycles), and rows that identify the coordinates.

        Raises:
            LabError: the target yields no finite numbers, or not as many as there are answers.
        """

    @abstractmethod
    def yields_vvalues(self, items: Items) -> bool:
        """Returns whether an answer to these items is a dict. Raises LabError."""

    @abstractmethod
    def exact(self) -> ExactTarget:
        """Returns the target in exact arithmetic. Raises InexactError if it has none."""

    def is_same_as(self, machine: Machine) -> bool:
        """Returns whether the target is this machine, up to the names of neurons."""
        return False

    def vvalues(self, items: Items) -> list[tuple[VValue, ...]]:
        """Returns the answers of :meth:`answers` as V-values: a tuple of them for each cycle."""
        array, rows = self.answers(items)
        if not rows:
            return [tuple(column) for column in array.T.tolist()]
        coordinates: list[list] = [[] for _ in items]
        for (name, path), row in zip(rows, array.tolist(), strict=True):
            for t, x in enumerate(row):
                coordinates[t].append((name, path, x))
        return [tuple(from_paths((p, x) for n, p, x in each if n == name) for name in self.names) for each in coordinates]

    def answers_when_due(self, items: Items) -> tuple[np.ndarray, Rows]:
        """Returns the answers of :meth:`answers` in the cycles when they are due."""
        answers, rows = self.answers(items)
        delays = [self.delays[list(self.names).index(name)] for name, _ in rows] if rows else self.delays
        late = [
            np.concatenate([np.zeros(min(d, len(items))), row[: max(0, len(items) - d)]])
            for row, d in zip(answers, delays, strict=True)
        ]
        return np.stack(late), rows


class FunctionReference(Reference):
    """A function of the stream. Its state is hidden, so all items read serve as the state."""

    @property
    def description(self) -> str:
        """Its name."""
        return f"function {getattr(self.target, '__name__', '')}".rstrip()

    @property
    def is_slow(self) -> bool:
        """Whether it says so: a program is started again for each string."""
        return getattr(self.target, "is_slow", False)

    def _rows(self, items: Items) -> list[Row]:
        return rows_of(self.target, self.names, list(map(self.reader.as_read, items)))

    def answers(self, items: Items) -> tuple[np.ndarray, Rows]:
        """See :meth:`Reference.answers`."""
        given = self._rows(items)
        if self.are_vvalues():
            rows, array = as_rows(self.names, [checked(row, self.names, t) for t, row in enumerate(given)])
            return array, rows
        return numbers_of(given, self.names), ()

    def yields_vvalues(self, items: Items) -> bool:
        """See :meth:`Reference.yields_vvalues`."""
        return any(map(has_trees, self._rows(items)))

    def exact(self) -> ExactTarget:
        """Returns a target that runs the function on the whole string again in each cycle."""

        def step(state: Any, item: VValue) -> tuple[Any, tuple]:
            rows = self._rows([*(before for before, _ in state), item])
            answers = [_exact_answers(tuple(row), len(self.names)) for row in rows]
            if answers[:-1] != [answer for _, answer in state]:
                raise TargetError("its answers depend on items that come later")
            return (*state, (item, answers[-1])), answers[-1]

        return ExactTarget((), step, lambda state: tuple(key_of(item) for item, _ in state))


class AutomatonReference(FunctionReference):
    """An automaton: it answers as a function does, and shows its state."""

    shows_state = True

    def __init__(self, target: Automaton, *others: Any):
        super().__init__(target, *others)
        self.automaton = target

    def exact(self) -> ExactTarget:
        """Returns the automaton's own steps."""

        def step(state: Any, item: VValue) -> tuple[Any, tuple]:
            after, answer = self.target.step(state, self.reader.as_read(item))
            return after, _exact_answers(answer, len(self.names))

        return ExactTarget(self.target.initial, step, _state_key)


class MachineReference(Reference):
    """A machine to imitate. In double precision, most strings share one compilation."""

    is_code = False
    shows_state = True
    is_slow = True  # a string takes a compiled run

    def __init__(self, target: Machine, *others: Any):
        super().__init__(target, *others)
        self.delays = (0,) * len(self.names)
        self._compiled: dict[frozenset, tuple[Compiled, ChunkRunner]] = {}  # by the keys in the strings

    @property
    def description(self) -> str:
        """Its size."""
        return f"machine of {plural(self.target.count(), 'link')}"

    def answers(self, items: Items) -> tuple[np.ndarray, Rows]:
        """See :meth:`Reference.answers`; they are numbers."""
        streams, inputs = self.reader.streams(items), self.reader.inputs
        keys = frozenset((name, path) for name in streams for v in streams[name].events.values() for path, _ in paths(v))
        if all(len(path) == 1 for _, path in keys):
            keys |= {(name, (letter,)) for name in inputs for letter in LETTERS}
        with jax.enable_x64(True):
            if keys not in self._compiled:
                stream = {n: values([from_paths((path, 1.0) for m, path in sorted(keys) if m == n)]) for n in inputs}
                compiled = compile_machine(self.target, stream, 1)
                self._compiled[keys] = compiled, ChunkRunner(compiled, lambda answers, _: answers[0][:, 0], at_once=4)
            compiled, runner = self._compiled[keys]
            chunks = {b: cut_up(np.asarray(x), CHUNK) for b, x in compiled.encode(streams, len(items)).items()}
            answers = runner(compiled.weights(), Chunks(chunks, np.arange(len(chunks[0])) == 0))
        rows = dict(zip(compiled.answer_ports, join_up(answers, len(items)), strict=True))
        return np.stack([rows["output", name] for name in self.names]), ()

    def yields_vvalues(self, items: Items) -> bool:
        """Returns False: the answers of a machine to imitate are numbers."""
        return False

    def exact(self) -> ExactTarget:
        """Returns the machine in fractions; its state is what its neurons emit."""
        machine = ExactMachine(self.target)

        def step(state: Any, item: VValue) -> tuple[Any, tuple]:
            answers, emitted = machine.step(state)
            return emitted + machine.shown(self.reader.by_neuron(item)), answers

        return ExactTarget(machine.initial, step, lambda state: tuple(map(key_of, state)))

    def is_same_as(self, machine: Machine) -> bool:
        """See :meth:`Reference.is_same_as`."""
        return same(machine, self.target)


def reference_of(target: Machine | Function, *others: Any) -> Reference:
    """Returns the reference for a target; the arguments are those of :class:`Reference`."""
    if isinstance(target, Machine):
        return MachineReference(target, *others)
    if isinstance(target, Automaton):
        return AutomatonReference(target, *others)
    return FunctionReference(target, *others)


def _state_key(state: Any) -> Hashable:
    """Returns a key with types: 1, 1.0 and True are equal, but a step may distinguish them."""
    if isinstance(state, tuple):
        return tuple(map(_state_key, state))
    if type(state) not in STATE_TYPES:
        raise TargetError(f"a state is {describe(state)}: expected numbers, texts, None, or tuples of them")
    return type(state), repr(state)


def _exact_answers(answer: Any, count: int) -> tuple[Fraction | int, ...]:
    """Returns the answers of one cycle, exactly. Raises TypeError or ValueError if invalid."""
    answers = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    if len(answers) != count:
        raise ValueError(f"{len(answers)} answers where {count} are expected")
    if not all(isinstance(x, Rational | float) for x in answers):
        raise TypeError(f"the answer {describe(answer)} is no number")
    return tuple(x.numerator if x.denominator == 1 else x for x in map(Fraction, answers))
