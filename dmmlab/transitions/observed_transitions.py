"""Observed transitions: what a target does to its state in one cycle, as whole numbers.

An item that is a number is read directly. An item with keys is read as *features*: its largest
coordinate (:data:`~dmmlab.core.neurons.NORM`), and its product with each constant of the problem,
which identifies its letter class (:mod:`dmmlab.problems.letter_classes`). A part of the state that
is no number, such as ``None`` or ``"a"``, has a one-hot encoding.
"""

import copy
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import LabError, told
from ..core.neuron_type import NeuronType
from ..core.neurons import COMPARE, DOT, NORM
from ..core.vvalues import VValue, dot, max_norm
from ..problems.items import Items
from ..problems.letter_classes import is_slow
from ..problems.problems import Problem
from ..problems.target_rows import Row, rows_of
from ..proofs.explorations import alphabet_of, numbers_of
from .closed_sets import independent
from .exact_fits import LARGEST_DENOMINATOR
from .predictions import BlackBox, prefixes, states

LONGEST = 40  # items of the strings whose transitions are observed; every fourth is four times as long
ITEMS = 4000  # items of all strings together
MOST_TRANSITIONS = 2500  # transitions, at most
STRING, DRAWN = 14, 60  # for a black box: items of a string after which tests are tried, at most; and strings drawn
SCALED = 8  # strings whose answers determine the factors that make answers whole; one if a run is slow
SWITCHES = 6  # items, at most, for each to switch something on or off
CHECKED_ITEMS = 20  # items that are checked for keys
WORDS = 8  # values of a part of the state that is no number, at most, besides the initial one
LARGE = 10**7  # larger numbers are ignored: least squares are solved in floats


class TransitionError(LabError):
    """Raised if a target shows no state, or its transitions are no sum of few neurons."""


class Transitions(NamedTuple):
    """The observed transitions of an automaton: whole numbers, one row for each transition.

    ``before`` and ``after`` are (transitions, components): states minus the initial state.
    ``items`` are (transitions, features), ``answers`` (transitions, answers). ``switches`` are
    linear functions of features that are 1 for some items, and 0 for all others. ``scales`` are the
    factors that made the answers whole; 1 if empty.
    """

    before: np.ndarray
    items: np.ndarray
    after: np.ndarray
    answers: np.ndarray
    features: Sequence["Feature"]
    switches: Sequence[tuple[int, ...]] = ()
    scales: Sequence[Fraction] = ()


def observe(problem: Problem, seed: int = 0, strings: Sequence[Items] = ()) -> Transitions:
    """Observes the transitions of a problem's automaton on drawn strings.

    Args:
        problem: its target is an automaton; its state is a whole number, its answer a fraction, or
            each is a tuple of such.
        seed: for the random numbers.
        strings: strings to observe besides those that are drawn.

    Returns:
        The distinct transitions.

    Raises:
        TransitionError: the target is no such automaton.
    """
    target = problem.reference.automaton
    if target is None:
        raise TransitionError("the target shows no state: write it as an Automaton")
    rng = random.Random(f"transitions {seed}")
    lengths = [problem.longest or LONGEST * (1 if i % 4 else 4) for i in range(ITEMS // (problem.longest or 2 * LONGEST))]
    rows: dict[tuple[tuple, tuple, tuple, tuple], None] = {}  # (state before, features, state after, answers), each once
    drawn = (
        _with_silence(rng, problem.draw(rng, "abc", length)) if problem.silence else problem.draw(rng, "abc", length)
        for length in lengths
    )
    features = features_of(problem)
    for items in itertools.chain(strings, drawn):
        state = target.initial
        for item in items:
            try:
                after, answer = target.step(state, problem.as_read(item))
            except Exception as error:
                raise TransitionError(f"the target's step: {told(error)}") from error
            x = tuple(_whole(feature.of(item), "an item") for feature in features)
            rows[_parts(state), x, _parts(after), tuple(_fraction(a) for a in _parts(answer))] = None
            state = after
    if len({tuple(map(len, row)) for row in rows}) > 1:
        raise TransitionError("states of different sizes")
    encoders = [
        _encoder([row[side][i] for row in rows for side in (0, 2)], part) for i, part in enumerate(_parts(target.initial))
    ]

    def encoded(state: tuple) -> list[int]:
        return [x for part, encoder in zip(state, encoders, strict=True) for x in encoder(part)]

    scales = _scales([answers for *_, answers in rows])
    table = [(*encoded(before), *x, *encoded(after), *_scaled(answers, scales)) for before, x, after, answers in rows]
    small = [row for row in table if max(map(abs, row)) < LARGE]
    if not small:
        raise TransitionError(f"all numbers are larger than {LARGE:,}")
    first = sum(map(len, strings))  # the transitions of the given strings are kept
    chosen = small[:first] + random.Random(0).sample(small[first:], min(len(small[first:]), MOST_TRANSITIONS))
    n, m = len(encoded(_parts(target.initial))), len(features)
    columns = np.split(np.array(chosen, dtype=object), [n, n + m, 2 * n + m], axis=1)
    needed = independent(columns[1])
    before, items_of, after, answers_of = columns
    return Transitions(before, items_of[:, needed], after, answers_of, [features[i] for i in needed], scales=scales)


def observe_black_box(
    problem: Problem,
    seed: int,
    strings: Sequence[Items],
    end: float,
    known: dict[tuple[int, ...], tuple[int, ...]],
    may_multiply: bool = False,
) -> Iterator[Transitions]:
    """Observes the transitions of a target that can only be run: its future answers are its state.

    Args:
        problem: its target is a function; its answers are fractions, or tuples of them.
        seed: for the random numbers.
        strings: strings to observe besides those that are drawn.
        end: when to stop, as a value of ``time.monotonic()``.
        known: the known answers, by strings of item indices; new ones are added.
        may_multiply: whether the features of a small alphabet identify each item, so that an item
            can switch something on or off.

    Returns:
        The distinct transitions for each candidate state of the target
        (:mod:`dmmlab.transitions.predictions`), simple ones first.

    Raises:
        TransitionError: answers that are no fractions, or features that cannot be read.
        LabError: the target fails, or is no function of the string.
    """
    items = list(alphabet_of(problem)[0])
    features = features_of(problem, items if may_multiply and len(items) <= SWITCHES else ())
    rng = random.Random(f"black box {seed}")
    drawn = [_with_silence(rng, d) if problem.silence else d for d in _short_strings(problem, rng)]
    for string in (*drawn, *strings):
        items += [item for item in string if item not in items]

    read = list(map(problem.as_read, items))

    def answers_to(string: Sequence[int]) -> list[Row]:
        given = [copy.copy(read[i]) for i in string]  # copies, because a target may change them
        return rows_of(problem.target, problem.answers, given)  # type: ignore[arg-type]

    slow = is_slow(problem)
    few = drawn[: 1 if slow else SCALED]
    scales = _scales([_fractions(row) for string in few for row in answers_to(tuple(map(items.index, string)))])
    is_whole = all(scale == 1 for scale in scales)

    def run(string: Sequence[int]) -> Iterator[tuple[int, ...]]:
        for row in answers_to(string):  # hundreds of thousands: whole answers are not made fractions
            yield tuple(row) if is_whole and all(type(x) is int for x in row) else _scaled(_fractions(row), scales)

    box = BlackBox(run, len(items), len(problem.answers), end, known, slow)
    longest = min(STRING, problem.longest or STRING)
    learned = [tuple(map(items.index, each)) for each in strings]
    pairs: dict[tuple[tuple[int, ...], int], None] = {}
    for before in prefixes(box, rng, [tuple(map(items.index, each)) for each in drawn], longest):
        pairs |= {(before, i): None for i in box.some_items(rng)}
    for each in learned:
        pairs |= {(each[:t], i): None for t in range(len(each)) for i in {each[t], *box.some_items(rng)}}
    numbers = np.array([[_whole(f.of(items[i]), "an item") for f in features] for _, i in pairs], dtype=object)
    answers = np.array([box.answers((*s, i)) for s, i in pairs], dtype=object)
    needed = independent(numbers)
    for state in states(box, list(pairs), numbers):
        columns = state.before, numbers[:, needed], state.after, answers
        _, first = np.unique(np.concatenate(columns, axis=1).astype(float), axis=0, return_index=True)
        before_, items_, after_, answers_ = (each[np.sort(first)] for each in columns)
        switches = [tuple(d) for d in _switches(items_)] if may_multiply else []
        yield Transitions(before_, items_, after_, answers_, [features[i] for i in needed], switches, scales)


def _switches(numbers: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Yields linear functions of the features that are 1 for some items, and 0 for all others."""
    each = np.unique(numbers.astype(float), axis=0)
    known = np.concatenate([each, np.ones((len(each), 1))], axis=1)
    if len(each) <= SWITCHES:
        for chosen in itertools.product((0.0, 1.0), repeat=len(each)):
            weights, *_ = np.linalg.lstsq(known, np.array(chosen), rcond=None)
            whole = np.rint(weights)
            if 0 < sum(chosen) < len(each) and not whole[-1] and np.abs(known @ whole - chosen).max() < 1e-9:
                yield tuple(map(int, whole[:-1]))


def _short_strings(problem: Problem, rng: random.Random) -> list[Items]:
    longest = min(STRING, problem.longest or STRING)
    return [list(problem.draw(rng, "abc", rng.randint(1, longest))) for _ in range(DRAWN)]


class Feature(NamedTuple):
    """A number that a machine computes from an item.

    ``of`` is the function of the item. A neuron of type ``kind`` computes it from the item that the
    neuron ``source`` reads, and from the ``constant`` if there is one. ``kind`` is None if the item
    is the number. With a ``threshold``, the feature is the excess over it. The neuron's output is
    multiplied by ``unit``, to be a whole number.
    """

    of: Callable[[VValue], Any]
    kind: NeuronType | None
    source: str
    constant: str = ""
    threshold: int | None = None
    unit: Fraction = Fraction(1)


def features_of(problem: Problem, thresholds: Sequence[VValue] = ()) -> list[Feature]:
    """Returns the features of a problem's items.

    Args:
        problem: the problem.
        thresholds: items; the excess of a number over each of their numbers is a feature, too,
            except over the smallest and the largest.

    Returns:
        The features. An input of numbers is read directly if there are no constants, or several
        inputs.
    """
    found = []
    for i, name in enumerate(problem.inputs):
        read = lambda item, i=i: numbers_of(problem, item)[i]  # type: ignore[misc]  # noqa: E731
        if _has_keys(problem, name) or (problem.constants and len(problem.inputs) == 1):
            vvalue = lambda item, name=name: problem.items_by_neuron(item)[name]  # type: ignore[misc]  # noqa: E731
            for constant, v in problem.constants.items():
                found.append(Feature(lambda item, of=vvalue, v=v: dot(of(item), v), DOT, name, constant))  # type: ignore[misc]
            found.append(Feature(lambda item, of=vvalue: max_norm(of(item)), NORM, name))  # type: ignore[misc]
            continue
        found.append(Feature(read, None, name))
        for at in sorted({int(read(item)) for item in thresholds})[1:-1]:
            above = lambda item, of=read, at=at: max(0, of(item) - at)  # type: ignore[misc]  # noqa: E731
            found.append(Feature(above, COMPARE, name, threshold=at))
    return found


def _has_keys(problem: Problem, name: str) -> bool:
    rng = random.Random(0)
    read = [problem.items_by_neuron(item)[name] for item in problem.draw(rng, "abc", CHECKED_ITEMS)]
    return any(isinstance(v, dict) and v for v in read)


def _parts(value: Any) -> tuple:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _whole(x: Any, what: str) -> int:
    if isinstance(x, float) and x.is_integer():
        return int(x)
    if not isinstance(x, int):
        raise TransitionError(f"{what} {x!r}: expected a whole number, or a tuple of them")
    return int(x)


def _fractions(row: Row) -> tuple[Fraction, ...]:
    return tuple(map(_fraction, row))


def _fraction(x: Any) -> Fraction:
    if isinstance(x, int | float | Fraction) and x - x == 0:
        return Fraction(x)
    raise TransitionError(f"an answer {x!r}: expected a number, or a tuple of them")


def _scales(rows: Sequence[tuple[Fraction, ...]]) -> list[Fraction]:
    """Returns for each answer the smallest factor that makes it whole."""
    scales = [Fraction(math.lcm(*{x.denominator for x in column})) for column in zip(*rows, strict=True)]
    if max(scales) > LARGEST_DENOMINATOR:
        raise TransitionError(f"answers whose denominators are above {LARGEST_DENOMINATOR}")
    return scales


def _scaled(answers: Sequence[Fraction], scales: Sequence[Fraction]) -> tuple[int, ...]:
    whole = [x * scale for x, scale in zip(answers, scales, strict=True)]
    return tuple(_whole(int(x) if x.denominator == 1 else x, "an answer, made larger") for x in whole)


def _encoder(seen: Sequence[Any], initial: Any) -> Callable[[Any], Sequence[int]]:
    """Encodes a part of the state: a number minus the initial one, or one-hot for other values."""
    words = sorted({x for x in seen if not isinstance(x, int | float)}, key=repr)
    if not words:
        return lambda x: [_whole(x, "a state") - _whole(initial, "the initial state")]
    words = [word for word in sorted(set(seen), key=repr) if word != initial]
    if len(words) > WORDS:
        raise TransitionError(f"a part of the state has {len(words) + 1} values that are no numbers: {WORDS} at most")
    return lambda x: [int(x == word) for word in words]


def _with_silence(rng: random.Random, items: Items) -> Items:
    return [each for item in items for each in [*[{}] * rng.randrange(2), item]]
