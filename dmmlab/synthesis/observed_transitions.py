"""Observed transitions: what a target that shows its state does in one cycle, as whole numbers.

An item that is a number is read as it is. Of one that has keys, *features* are read: its largest
coordinate (:data:`~dmmlab.core.neurons.NORM`), and its product with each constant of the problem,
which says what class of letters has come (:mod:`dmmlab.synthesis.letter_classes`). What a state
says in words, as ``None`` or ``"a"``, is a number for each such value.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import LabError, told
from ..core.neuron_type import NeuronType
from ..core.neurons import DOT, NORM
from ..core.vvalues import VValue, dot, max_norm
from .draws import Items
from .explorations import numbers_of
from .generators import automaton_of
from .problems import Problem

LONGEST = 40  # items of the strings whose transitions are looked at; every fourth is four times as long
ITEMS = 4000  # of all strings together
MOST = 2500  # transitions
FEW = 20  # items that are looked at for keys
WORDS = 8  # that a part of the state may take, beside the initial one
LARGE = 10**7  # numbers up to this are looked at: least squares are solved in floats


class TransitionError(LabError):
    """A target that shows no state, or whose transitions are no sum of few neurons."""


class Transitions(NamedTuple):
    """What is seen of an automaton: whole numbers, one row for each transition.

    ``before`` and ``after`` are (transitions, components) of the state, less the initial state;
    ``items`` are (transitions, features), ``answers`` (transitions, answers).
    """

    before: np.ndarray
    items: np.ndarray
    after: np.ndarray
    answers: np.ndarray
    features: Sequence["Feature"]


def observe(problem: Problem, seed: int = 0, strings: Sequence[Items] = ()) -> Transitions:
    """The transitions of a problem's automaton on drawn strings.

    Args:
        problem: its target is an automaton, or a generator that can be read as one; its state and
            its answers are whole numbers, or tuples of them.
        seed: for the random numbers.
        strings: to look at beside those that are drawn.

    Returns:
        The distinct transitions.

    Raises:
        TransitionError: it is not so.
    """
    target = automaton_of(problem)
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
            rows[_parts(state), x, _parts(after), tuple(_whole(a, "an answer") for a in _parts(answer))] = None
            state = after
    if len({tuple(map(len, row)) for row in rows}) > 1:
        raise TransitionError("states of different sizes")
    encoders = [
        _encoder([row[side][i] for row in rows for side in (0, 2)], part) for i, part in enumerate(_parts(target.initial))
    ]

    def encoded(state: tuple) -> list[int]:
        return [x for part, encoder in zip(state, encoders, strict=True) for x in encoder(part)]

    table = [(*encoded(before), *x, *encoded(after), *answers) for before, x, after, answers in rows]
    small = [row for row in table if max(map(abs, row)) < LARGE]
    if not small:
        raise TransitionError(f"all numbers are larger than {LARGE:,}")
    first = sum(map(len, strings))  # what was learned from is kept
    chosen = small[:first] + random.Random(0).sample(small[first:], min(len(small[first:]), MOST))
    n, m = len(encoded(_parts(target.initial))), len(features)
    columns = np.split(np.array(chosen, dtype=object), [n, n + m, 2 * n + m], axis=1)
    needed = _independent(columns[1])
    before, items_of, after, answers_of = columns
    return Transitions(before, items_of[:, needed], after, answers_of, [features[i] for i in needed])


class Feature(NamedTuple):
    """A number that a machine reads of an item.

    ``of`` says which; ``kind`` is the type of the neuron that makes it of the item and a constant,
    ``None`` if the item is the number.
    """

    of: Callable[[VValue], Any]
    kind: NeuronType | None
    source: str


def features_of(problem: Problem) -> list[Feature]:
    """What is read of the items of a problem, as numbers."""
    if not problem.constants and not _has_keys(problem):
        return [
            Feature(lambda item, i=i: numbers_of(problem, item)[i], None, name)  # type: ignore[misc]
            for i, name in enumerate(problem.inputs)
        ]
    if len(problem.inputs) > 1:
        raise TransitionError("items with keys, from several streams")
    products = [
        Feature(lambda item, v=v: dot(item, v), DOT, name)  # type: ignore[misc]
        for name, v in problem.constants.items()
    ]
    return [*products, Feature(max_norm, NORM, "")]


def _independent(columns: np.ndarray) -> list[int]:
    """The columns that are no linear combination of 1 and of those before."""
    table, kept = np.ones((len(columns), 1)), list[int]()
    for i, column in enumerate(columns.T.astype(float)):
        wider = np.concatenate([table, column[:, None]], axis=1)
        if np.linalg.matrix_rank(wider) > table.shape[1]:
            table, kept = wider, [*kept, i]
    return kept


def _has_keys(problem: Problem) -> bool:
    rng = random.Random(0)
    return any(
        isinstance(v, dict) and v for item in problem.draw(rng, "abc", FEW) for v in problem.items_by_neuron(item).values()
    )


def _parts(value: Any) -> tuple:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _whole(x: Any, what: str) -> int:
    if isinstance(x, float) and x.is_integer():
        return int(x)
    if not isinstance(x, int):
        raise TransitionError(f"{what} {x!r}: expected a whole number, or a tuple of them")
    return int(x)


def _encoder(seen: Sequence[Any], initial: Any) -> Callable[[Any], Sequence[int]]:
    """Of a part of the state: the number, less the initial one; or one for each other word."""
    words = sorted({x for x in seen if not isinstance(x, int | float)}, key=repr)
    if not words:
        return lambda x: [_whole(x, "a state") - _whole(initial, "the initial state")]
    words = [word for word in sorted(set(seen), key=repr) if word != initial]
    if len(words) > WORDS:
        raise TransitionError(f"a part of the state has {len(words) + 1} values that are no numbers: {WORDS} at most")
    return lambda x: [int(x == word) for word in words]


def _with_silence(rng: random.Random, items: Items) -> Items:
    return [each for item in items for each in [*[{}] * rng.randrange(2), item]]
