"""Explorations: run machine and target side by side, in exact arithmetic, on all strings.

A *joint state* consists of the outputs of the machine's neurons, the target's state, and the
answers that are due in the next cycles. Each item of a finite alphabet leads to another joint
state. If only finitely many are reachable, and the machine's answer is right in each, the machine
is right on all strings of any length. If there are too many, it is still right on all strings up to
some length.

An exploration records a table: for each joint state the machine's answers, and the next joint state
for each item. The table is the certificate that :mod:`dmmlab.proofs.certificates` checks.
"""

import random
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.vvalues import VValue, paths
from ..machines.exact_steps import ExactMachine, InexactError, is_double, key_of
from ..problems.items import Items
from ..problems.previews import item_text
from ..problems.problems import Problem
from ..problems.references import ExactTarget, TargetError

MOST_STATES = 20_000  # joint states that are kept, at most
SECONDS = 20.0
LETTERS = "ab"  # in strings of a problem without an alphabet
MOST_ITEMS = 12  # items of such a problem, at most
FUNCTION_SECONDS = 5.0  # for a target without a visible state, which reads every string from the start


@dataclass
class Outcome:
    """The result of an exploration.

    ``complete`` says that there are no other joint states. ``length`` is the length up to which all
    strings were tried. ``refuted`` is a shortest string on which the machine errs, or None.
    ``reason`` says why the exploration ended, if the target failed. ``answers`` and ``transitions``
    have a row for each joint state, in the order of discovery, as far as all strings of that length
    were tried. ``in_doubles`` says whether double precision represents all numbers that a machine
    with finitely many states may emit.
    """

    states: int = 0
    complete: bool = False
    length: int = 0
    refuted: Items | None = None
    reason: str = ""
    answers: list[tuple] = field(default_factory=list)
    transitions: list[list[int]] = field(default_factory=list)
    in_doubles: bool = False


def alphabet_of(problem: Problem) -> tuple[Sequence[VValue], str]:
    """Returns the items that strings consist of, silence included, and a description of them."""
    silence: list[VValue] = [{}] if problem.silence else []
    if problem.alphabet:
        return [*problem.alphabet, *silence], f"its alphabet of {len(problem.alphabet):,}"
    drawn = problem.draw(random.Random(0), LETTERS, 200)
    items = sorted(list({key_of(item): item for item in drawn}.values())[:MOST_ITEMS], key=_in_order)
    return [*items, *silence], f"the items {', '.join(map(item_text, items))}"


def _in_order(item: VValue) -> tuple[bool, Any]:
    """A sort key: numbers by size, then other items by their text."""
    return (True, item_text(item)) if isinstance(item, dict) else (False, item)


def numbers_of(problem: Problem, item: VValue) -> list[Any]:
    """Returns the number that each reading neuron reads from an item; 0 in silence."""
    return [0 if isinstance(v, dict) and not v else v for v in problem.items_by_neuron(item).values()]


def explore(
    machine: ExactMachine,
    problem: Problem,
    target: ExactTarget,
    alphabet: Sequence[VValue],
    delays: Sequence[int],
    most: int = MOST_STATES,
    seconds: float = SECONDS,
) -> Outcome:
    """Explores all strings over an alphabet, short ones first.

    Args:
        machine: the machine to check.
        problem: the problem. If ``problem.longest`` is set, no longer string is tried, and silence
            follows each string, long or short, until the last answer is due.
        target: the reference.
        alphabet: the items; ``{}`` among them, if there is silence.
        delays: the delay of each answer, in cycles; 0 for a target that is a machine.
        most: the largest number of joint states.
        seconds: the time limit.

    Returns:
        The outcome.

    Raises:
        InexactError: a neuron type cannot be run exactly.
    """
    end, last, longest = time.monotonic() + seconds, max(delays, default=0), problem.longest
    items = [*alphabet, *([{}] if longest is not None else [])]  # the last one: silence after the end
    shown = [machine.shown(problem.items_by_neuron(item)) for item in items]
    steps: dict[tuple[Hashable, int], tuple[Any, Hashable, tuple]] = {}  # of the target
    found = Outcome()
    # A joint state: neuron outputs, the target's state, answers due, cycles since the string's end.
    # After it: the cycle in which it was first reached, and the path to it.
    waiting: list[tuple[tuple, Any, tuple, int, int, Any]] = []
    places: dict[Hashable, int] = {}

    def place_of(emitted: tuple, state: Any, key: Hashable, due: tuple, ended: int, cycle: int, path: Any) -> int:
        place = places.setdefault((tuple(map(key_of, emitted)), key, due, ended), len(waiting))
        if place == len(waiting):
            waiting.append((emitted, state, due, ended, cycle, path))
        return place

    try:
        start = target.key(target.initial)
        place_of(machine.initial, target.initial, start, tuple((0,) * d for d in delays), 0, 0, None)
        for emitted, state, due, ended, cycle, path in waiting:
            if len(waiting) > most or time.monotonic() > end:
                break
            options, row, key = choices(len(items), longest, last, cycle, ended), [], target.key(state)
            try:
                given, after = machine.step(emitted)
            except InexactError:
                raise
            except Exception:  # any error of a user's neuron type ends the run
                found.refuted = [*_string(items, path), items[options[0] if options else -1]]
                return found
            for i in options:
                if (key, i) not in steps:
                    steps[key, i] = target.after(state, items[i])
                state_after, key_after, answers = steps[key, i]
                queues = tuple((*queue, answer) for queue, answer in zip(due, answers, strict=True))
                if any(queue[0] != answer for queue, answer in zip(queues, given, strict=True)):
                    found.refuted = _string(items, (i, path))
                    return found
                rest, since = tuple(queue[1:] for queue in queues), ended + (longest is not None and i == len(items) - 1)
                row.append(place_of(after + shown[i], state_after, key_after, rest, since, cycle + 1, (i, path)))
            found.answers.append(given)
            found.transitions.append(row)
        else:
            found.complete = longest is None or all(cycle < longest for *_, cycle, _ in waiting)
    except TargetError as error:
        found.reason = str(error)
    _sum_up(found, waiting, longest or 0, last)
    return found


def _sum_up(found: Outcome, waiting: Sequence[tuple[tuple, Any, tuple, int, int, Any]], longest: int, last: int) -> None:
    """Records the number of states, and the length up to which all strings were tried."""
    found.states, tried = len(waiting), len(found.transitions)
    if found.complete:
        found.length = waiting[-1][4]
        found.in_doubles = all(is_double(x) for emitted, *_ in waiting for v in emitted for _, x in paths(v))
    elif waiting:  # keep the rows up to the last length of which all strings were tried
        cycles = waiting[tried][4] if tried < len(waiting) else longest + last
        found.length = max(0, cycles - last)
        rows = sum(cycle < cycles for *_, cycle, _ in waiting[:tried])
        found.answers, found.transitions = found.answers[:rows], found.transitions[:rows]


def choices(items: int, longest: int | None, last: int, cycle: int, ended: int) -> range:
    """Returns the indices of the items that may come in a cycle; the last is the final silence."""
    if longest is None:
        return range(items)
    if ended:
        return range(items - 1, items) if ended < last else range(0)
    return range(items - 1 if cycle >= longest else 0, items if last and cycle else items - 1)


def _string(items: Sequence[VValue], path: Any) -> Items:
    string = []
    while path is not None:
        i, path = path
        string.append(items[i])
    return string[::-1]
