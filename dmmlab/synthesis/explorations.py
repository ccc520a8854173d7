"""Explorations: machine and target side by side, in exact arithmetic, on all strings.

A *joint state* is what the machine's outputs are, the state of the target, and the answers that are
due in the next cycles. From each the items of a finite alphabet lead to others. If only finitely
many are reachable, and the machine's answer is right in each, it is right on all strings of any
length. If there are too many, it is still right on all strings up to some length.
"""

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from ..core.machine import Machine
from ..core.vvalues import VValue
from ..machines.exact_steps import ExactMachine, exact, key_of
from .automata import Automaton
from .draws import Items
from .generators import automaton_of
from .problem_checks import item_text
from .problems import Problem

MOST = 40_000  # joint states that are kept
SECONDS = 20.0
LETTERS = "ab"  # of strings of a problem without an alphabet
MOST_ITEMS = 12  # in such an alphabet


class Target(Protocol):
    """What a machine is compared with, one cycle at a time."""

    initial: Any

    def step(self, state: Any, item: VValue) -> tuple[Any, tuple[Fraction | int, ...]]:
        """The next state, and the answers that are due ``delay`` cycles later."""


class MachineTarget:
    """A machine as a target: its answers are due in the cycle in which it gives them."""

    def __init__(self, problem: Problem, machine: Machine):
        self._problem, self._machine = problem, ExactMachine(machine)
        self.initial = self._machine.initial

    def step(self, state: Any, item: VValue) -> tuple[Any, tuple]:
        answers = tuple(map(scalar, self._machine.answers(state)))
        return self._machine.step(state, items_by_neuron(self._problem, item)), answers


class AutomatonTarget:
    """An automaton as a target."""

    def __init__(self, automaton: Automaton):
        self._step, self.initial = automaton.step, automaton.initial

    def step(self, state: Any, item: VValue) -> tuple[Any, tuple]:
        after, answer = self._step(state, item)
        return after, tuple(map(exact, answer)) if isinstance(answer, tuple) else (exact(answer),)


class Outcome(NamedTuple):
    """What an exploration came to.

    ``complete`` says that there are no other joint states; ``length`` is that of the strings all of
    which were tried; ``refuted`` is a string on which the machine errs, a shortest one, or None.
    """

    states: int
    complete: bool
    length: int
    refuted: Items | None


def target_of(problem: Problem) -> Target | None:
    """The problem's target, if its state can be seen."""
    if isinstance(problem.target, Machine):
        return MachineTarget(problem, problem.target)
    automaton = automaton_of(problem)
    return None if automaton is None else AutomatonTarget(automaton)


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


def scalar(v: VValue) -> Any:
    """The scalar part of a V-value."""
    return v.get(":number", 0) if isinstance(v, dict) else v


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
        problem: what is asked.
        target: what is right.
        alphabet: the items; ``{}`` among them, if there is silence.
        delays: of each answer, in cycles; 0 for a target that is a machine.
        most: joint states to keep.
        seconds: to spend.

    Returns:
        What came of it. With ``problem.longest`` no longer strings are tried, and it is complete
        once all of these are.
    """
    end = time.monotonic() + seconds
    waiting = tuple((0,) * d for d in delays)  # for each answer, what is due in the next cycles
    start = (machine.initial, target.initial, waiting)
    seen = {_key(start): None}
    frontier: deque[tuple[Any, int, Any]] = deque([(start, 0, None)])  # joint state, cycles, how it was reached
    length, limit = 0, None if problem.longest is None else problem.longest + max(delays, default=0)
    while frontier:
        joint, cycles, path = frontier.popleft()
        length = max(length, cycles)
        if limit is not None and cycles >= limit:
            continue
        outputs, state, due = joint
        given = tuple(map(scalar, machine.answers(outputs)))
        after_end = problem.longest is not None and cycles >= problem.longest
        for item in alphabet[:1] if after_end else alphabet:
            after, answers = target.step(state, item)
            queues = tuple((*queue, answer) for queue, answer in zip(due, answers, strict=True))
            if any(queue[0] != answer for queue, answer in zip(queues, given, strict=True)):
                return Outcome(len(seen), False, length, _string((item, path)))
            following = (machine.step(outputs, items_by_neuron(problem, item)), after, tuple(queue[1:] for queue in queues))
            key = _key(following) if limit is None else (_key(following), cycles)
            if key not in seen:
                seen[key] = None
                frontier.append((following, cycles + 1, (item, path)))
        if len(seen) > most or time.monotonic() > end:
            return Outcome(len(seen), False, max(0, length - max(delays, default=0)), None)
    return Outcome(len(seen), limit is None, problem.longest or length, None)


def _key(joint: tuple[Any, Any, Any]) -> Any:
    return key_of(joint[0]), key_of(joint[1]), joint[2]


def _string(path: Any) -> Items:
    def backwards() -> Iterator[VValue]:
        here = path
        while here is not None:
            item, here = here
            yield item

    return list(backwards())[::-1]
