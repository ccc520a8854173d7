"""Explorations: machine and target side by side, in exact arithmetic, on all strings.

A *joint state* is what the machine's neurons emit, the state of the target, and the answers that
are due in the next cycles. From each the items of a finite alphabet lead to others. If only
finitely many are reachable, and the machine's answer is right in each, it is right on all strings
of any length. If there are too many, it is still right on all strings up to some length.

What an exploration has seen is a table: for each joint state the machine's answers, and the state
that each item leads to. It is the certificate that :mod:`dmmlab.synthesis.certificates` checks.
"""

import itertools
import random
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Rational
from typing import Any, Protocol

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.vvalues import VValue, describe, paths
from ..machines.exact_steps import ExactMachine, InexactError, is_double, key_of
from .automata import Automaton
from .draws import Items
from .problem_checks import item_text
from .problems import Problem
from .target_rows import rows_of

MOST = 20_000  # joint states that are kept
SECONDS = 20.0
LETTERS = "ab"  # of strings of a problem without an alphabet
MOST_ITEMS = 12  # in such an alphabet
STRINGS, STRING_SECONDS = 20_000, 5.0  # that a target without visible states is run on
PLAIN = (int, bool, float, str, type(None), Fraction)  # what a state is made of


class TargetError(LabError):
    """A target that cannot be followed: its step raises, or gives what is no state or answer."""


class Target(Protocol):
    """What a machine is compared with, one cycle at a time."""

    initial: Any

    def step(self, state: Any, item: VValue) -> tuple[Any, tuple[Fraction | int, ...]]:
        """The next state, and the answers that are due ``delay`` cycles later."""

    def key(self, state: Any) -> Hashable:
        """Something hashable that is equal for equal states, and only for these."""


class MachineTarget:
    """A machine as a target: its answers are due in the cycle in which it gives them."""

    def __init__(self, problem: Problem, machine: Machine):
        self._problem, self._machine = problem, ExactMachine(machine)
        self.initial = self._machine.initial

    def step(self, state: Any, item: VValue) -> tuple[Any, tuple]:
        answers, emitted = self._machine.step(state)
        return emitted + self._machine.shown(items_by_neuron(self._problem, item)), answers

    def key(self, state: Any) -> Hashable:
        return tuple(map(key_of, state))


class AutomatonTarget:
    """An automaton as a target."""

    def __init__(self, problem: Problem, automaton: Automaton):
        self._problem, self._automaton, self.initial = problem, automaton, automaton.initial

    def step(self, state: Any, item: VValue) -> tuple[Any, tuple]:
        try:
            after, answer = self._automaton.step(state, self._problem.as_read(item))
            return after, exact_answers(answer, len(self._problem.answers))
        except Exception as error:  # whatever a reader's step raises
            raise TargetError(f"the target's step: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error

    def key(self, state: Any) -> Hashable:
        if isinstance(state, tuple):
            return tuple(map(self.key, state))
        if type(state) not in PLAIN:
            raise TargetError(f"a state is {describe(state)}: expected numbers, texts, None, or tuples of them")
        return type(state), repr(state)  # 1, 1.0 and True are equal, but a step may tell them apart


def exact_answers(answer: Any, count: int) -> tuple[Fraction | int, ...]:
    """The answers of one cycle, exactly. Raises TypeError or ValueError for what is none."""
    answers = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    if len(answers) != count:
        raise ValueError(f"{len(answers)} answers where {count} are expected")
    if not all(isinstance(x, Rational | float) for x in answers):
        raise TypeError(f"the answer {describe(answer)} is no number")
    fractions = map(Fraction, answers)
    return tuple(x.numerator if x.denominator == 1 else x for x in fractions)


@dataclass
class Outcome:
    """What an exploration came to.

    ``complete`` says that there are no other joint states; ``length`` is that of the strings all of
    which were tried; ``refuted`` is a string on which the machine errs, a shortest one, or None;
    ``reason`` says why it ended, if the target could not be followed. ``answers`` and
    ``transitions`` have a row for each joint state, in the order in which they were found, as far
    as all strings of that length were tried. ``in_doubles`` says whether double precision has all
    numbers that were seen.
    """

    states: int = 1
    complete: bool = False
    length: int = 0
    refuted: Items | None = None
    reason: str = ""
    answers: list[tuple] = field(default_factory=list)
    transitions: list[list[int]] = field(default_factory=list)
    in_doubles: bool = True


def target_of(problem: Problem, target: Any = None) -> Target | None:
    """The problem's target, or the one given, if its state can be seen."""
    target = problem.target if target is None else target
    if isinstance(target, Machine):
        return MachineTarget(problem, target)
    return AutomatonTarget(problem, target) if isinstance(target, Automaton) else None


def alphabet_of(problem: Problem) -> tuple[Sequence[VValue], str]:
    """The items that strings are made of, silence among them, and in words what they are."""
    silence: list[VValue] = [{}] if problem.silence else []
    if problem.alphabet:
        return [*problem.alphabet, *silence], f"its alphabet of {len(problem.alphabet):,}"
    drawn = problem.draw(random.Random(0), LETTERS, 200)
    items = sorted(list({key_of(item): item for item in drawn}.values())[:MOST_ITEMS], key=_in_order)
    return [*items, *silence], f"the items {', '.join(map(item_text, items))}"


def _in_order(item: VValue) -> tuple[bool, Any]:
    """Numbers by size, then other items as they read."""
    return (True, item_text(item)) if isinstance(item, dict) else (False, item)


def items_by_neuron(problem: Problem, item: VValue) -> Mapping[str, VValue]:
    """What each reading neuron reads of an item."""
    if len(problem.inputs) == 1:
        return {problem.inputs[0]: item}
    return {name: item.get(name, 0) if isinstance(item, dict) else 0 for name in problem.inputs}


def numbers_of(problem: Problem, item: VValue) -> list[Any]:
    """The number that each reading neuron reads of an item; 0 in silence."""
    return [0 if isinstance(v, dict) and not v else v for v in items_by_neuron(problem, item).values()]


class _Numbered:
    """What a machine's neurons emit, by number: each is stepped once, whatever the target does."""

    def __init__(self, machine: ExactMachine, shown: Sequence[tuple]):
        nothing = machine.initial[: len(machine.readers)]
        self.machine, self.shown = machine, [*shown, nothing]
        keys = [tuple(map(key_of, v)) for v in self.shown]
        self.like = [keys.index(key) if any(key) else len(shown) for key in keys]  # items that a machine takes for the same
        self.emitted = [machine.initial[: len(machine.initial) - len(machine.readers)]]
        self.numbers: dict[Hashable, int] = {tuple(map(key_of, self.emitted[0])): 0}
        self.known: dict[tuple[int, int], tuple[tuple, int]] = {}

    def step(self, state: tuple[int, int]) -> tuple[tuple, int]:
        """The answers in the next cycle, and the number of what neurons but readers emit in it."""
        if state not in self.known:
            before, item = state
            answers, after = self.machine.step(self.emitted[before] + self.shown[item])
            number = self.numbers.setdefault(tuple(map(key_of, after)), len(self.emitted))
            if number == len(self.emitted):
                self.emitted.append(after)
            self.known[state] = answers, number
        return self.known[state]

    def are_doubles(self) -> bool:
        return all(is_double(x) for each in (*self.emitted, *self.shown) for v in each for _, x in paths(v))


def explore(
    machine: ExactMachine,
    problem: Problem,
    target: Target,
    alphabet: Sequence[VValue],
    delays: Sequence[int],
    most: int = MOST,
    seconds: float = SECONDS,
) -> Outcome:
    """All strings over an alphabet, the short ones first.

    Args:
        machine: what is checked.
        problem: what is asked. With ``problem.longest`` no longer strings are tried; at the end of
            each, long or short, comes silence until the last answer is due.
        target: what is right.
        alphabet: the items; ``{}`` among them, if there is silence.
        delays: of each answer, in cycles; 0 for a target that is a machine.
        most: joint states to keep.
        seconds: to spend.

    Returns:
        What came of it.

    Raises:
        InexactError: a neuron type cannot be run exactly.
    """
    end, last, longest = time.monotonic() + seconds, max(delays, default=0), problem.longest
    items = [*alphabet, *([{}] if longest is not None else [])]  # the last one: silence after the end
    numbered = _Numbered(machine, [machine.shown(items_by_neuron(problem, item)) for item in items])
    known: dict[tuple[Hashable, int], tuple[Any, Hashable, tuple]] = {}  # steps of the target
    # A joint state: the machine's, the target's, what is due, the cycles since the string's end.
    found = Outcome()
    waiting: list[tuple[Any, Any, int, Any]] = []  # with the target's state, the cycle, and how it was reached
    try:
        joint = ((0, len(items)), target.key(target.initial), tuple((0,) * d for d in delays), 0)
        places = {joint: 0}
        waiting.append((joint, target.initial, 0, None))
        for joint, state, cycle, path in waiting:
            if len(waiting) > most or time.monotonic() > end:
                break
            before, key, due, ended = joint
            options, row = choices(len(items), longest, last, cycle, ended), []
            try:
                given, number = numbered.step(before)
            except InexactError:
                raise
            except Exception:  # whatever a reader's neuron type raises: a run ends here
                found.refuted = [*_string(items, path), items[options[0] if options else -1]]
                return found
            for i in options:
                if (key, i) not in known:
                    after, answers = target.step(state, items[i])
                    known[key, i] = after, target.key(after), answers
                after, after_key, answers = known[key, i]
                queues = tuple((*queue, answer) for queue, answer in zip(due, answers, strict=True))
                if any(queue[0] != answer for queue, answer in zip(queues, given, strict=True)):
                    found.refuted = _string(items, (i, path))
                    return found
                following = (
                    (number, numbered.like[i]),
                    after_key,
                    tuple(queue[1:] for queue in queues),
                    ended + (longest is not None and i == len(items) - 1),
                )
                place = places.setdefault(following, len(waiting))
                if place == len(waiting):
                    waiting.append((following, after, cycle + 1, (i, path)))
                row.append(place)
            found.answers.append(given)
            found.transitions.append(row)
        else:
            found.complete = longest is None or all(cycle < longest for _, _, cycle, _ in waiting)
    except TargetError as error:
        found.reason = str(error)
    found.states, found.in_doubles = len(waiting), found.complete and numbered.are_doubles()
    if not found.complete:  # as far as all strings of a length were tried
        tried = len(found.transitions)
        cycles = waiting[tried][2] if tried < len(waiting) else (longest or 0) + last
        found.length = max(0, cycles - last)
        rows = sum(cycle < cycles for _, _, cycle, _ in waiting[:tried])
        found.answers, found.transitions = found.answers[:rows], found.transitions[:rows]
    else:
        found.length = waiting[-1][2]
    return found


def choices(items: int, longest: int | None, last: int, cycle: int, ended: int) -> range:
    """Which items may come in a cycle, by their places; the last one is the silence at the end."""
    if longest is None:
        return range(items)
    if ended:
        return range(items - 1, items) if ended < last else range(0)
    return range(items - 1 if cycle >= longest else 0, items if last and cycle else items - 1)


def all_strings(
    machine: ExactMachine, problem: Problem, alphabet: Sequence[VValue], delays: Sequence[int], seconds: float = STRING_SECONDS
) -> Outcome:
    """As :func:`explore`, for a target whose state cannot be seen: it is run on each string.

    Args:
        machine: what is checked.
        problem: what is asked; its target is a function.
        alphabet: the items; ``{}`` among them, if there is silence.
        delays: of each answer, in cycles.
        seconds: to spend.

    Returns:
        What came of it, without a table.

    Raises:
        InexactError: a neuron type cannot be run exactly.
    """
    end, found, tried = time.monotonic() + seconds, Outcome(), 0
    silence = [-1] * (max(delays) if problem.longest is not None else 0)
    items = [*alphabet, {}]
    numbered = _Numbered(machine, [machine.shown(items_by_neuron(problem, item)) for item in items])
    for length in itertools.count(1) if problem.longest is None else range(1, problem.longest + 1):
        for string in itertools.product(range(len(alphabet)), repeat=length):
            tried += 1
            if tried > STRINGS or time.monotonic() > end:
                return found
            places = [*string, *(len(alphabet) for _ in silence)]
            string_items = [items[i] for i in places]
            try:
                rows = rows_of(problem.target, problem.answers, list(map(problem.as_read, string_items)))  # type: ignore[arg-type]
                right = [exact_answers(tuple(row), len(delays)) for row in rows]
            except Exception as error:  # whatever a reader's function raises
                found.reason = f"the target: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
                return found
            state = (0, len(items))
            for t, i in enumerate(places):
                try:
                    given, number = numbered.step(state)
                except InexactError:
                    raise
                except Exception:  # as above
                    found.refuted = string_items
                    return found
                wanted = [right[t - d][j] if t >= d else 0 for j, d in enumerate(delays)]
                if any(x != y for x, y in zip(given, wanted, strict=True)):
                    found.refuted = string_items[: t + 1]
                    return found
                state = (number, numbered.like[i])
        found.length = length
    return found


def _string(items: Sequence[VValue], path: Any) -> Items:
    def backwards() -> Iterator[VValue]:
        here = path
        while here is not None:
            i, here = here
            yield items[i]

    return list(backwards())[::-1]
