"""Fits: writes a function of a few whole numbers as an exact sum of few neurons.

A sum has a linear part and *hinges*, ``relu(direction . numbers - threshold)``, where a direction
is a vector of small whole numbers. One small least-squares problem decides whether a function is a
linear function plus a function of ``direction . numbers``. The thresholds are the points where the
slope of the latter changes. Directions are tried from simple to complex. All coefficients are
fractions, and a fit is accepted only if it is exact on all rows.
"""

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .closed_sets import independent

VALUES = 16  # values of a function that is a conjunction, at most
LARGEST_DENOMINATOR = 64  # denominator of a coefficient, at most
FIRST_ROWS = 120  # rows on which a direction is tried first
HINGES = 60  # hinges of one function, at most
FEW_NEURONS = 2  # neurons: if a fit needs more in one direction, several directions are combined
SIMPLE_DIRECTIONS, LEVELS = 16, 16  # directions in which hinges are combined, and values along one of them, at most
DICTIONARY = 250  # hinges that are combined, at most
REWEIGHTED, SOLVING = 3, 1.0  # linear programs per fit, and seconds for each, at most
SMALLEST_SHIFT, LONGEST_SHIFT = 3, 100  # the smallest and the largest shift of a number by a bit
NUMBERS = ((3, 2), (2, 4), (1, 8))  # limits of a direction: the largest number, and how many numbers are not 0
DIRECTIONS, DIRECTIONS_AFTER_A_FIT = 1000, 200  # directions tried at most; and at most once there is a fit


@dataclass(frozen=True)  # a named tuple would equal one of another class
class Hinge:
    """``relu(direction . (state, item) - threshold)``."""

    direction: tuple[int, ...]
    threshold: int


@dataclass(frozen=True)
class Product:
    """The product of two linear functions of (state, item)."""

    one: tuple[int, ...]
    other: tuple[int, ...]


@dataclass(frozen=True)
class Affine:
    """A linear function of (state, item), and a constant."""

    linear: tuple[Fraction, ...]
    constant: Fraction


class Sum(NamedTuple):
    """A function of (state, item): a linear part, a constant, hinges and products with weights."""

    linear: tuple[Fraction, ...]
    constant: Fraction
    hinges: dict[Hinge, Fraction]
    products: dict[Product, Fraction] = {}  # noqa: RUF012


def fit_sum(
    inputs: np.ndarray,
    values: np.ndarray,
    known: Sequence[Hinge] = (),
    may_multiply: bool = False,
    end: float = math.inf,
    switches: Sequence[tuple[int, ...]] = (),
) -> Sum | None:
    """Finds a sum of few neurons that gives ``values`` exactly; returns None if it finds none.

    Args:
        inputs: (rows, numbers), whole.
        values: (rows,), whole.
        known: hinges that exist already, and so cost nothing.
        may_multiply: whether a bit times a number may be a product. If not, it becomes a hinge,
            which is correct as long as the number is no larger than in ``inputs``.
        end: when to stop trying directions, as a value of ``time.monotonic()``.
        switches: linear functions of the numbers that are bits, besides the numbers that are bits.

    Returns:
        A linear function if possible; else one with a product, if allowed; else the sum of hinges
        with the fewest new neurons, and among these with the fewest terms. The hinges have one
        direction, unless several directions save neurons.
    """
    linear = _linear(inputs, values)
    if linear is not None:
        return Sum(*linear, {})
    multiplied = _with_product(inputs, values, switches) if may_multiply else None
    if multiplied is not None:
        return multiplied

    def cost(found: Sum) -> tuple[int, int]:
        new = len(found.hinges.keys() - set(known)) + any(found.linear)
        return new, len(found.hinges) + sum(map(bool, found.linear)) + sum(abs(x) for h in found.hinges for x in h.direction)

    few, found = slice(0, FIRST_ROWS), list[Sum]()
    for tried, direction in enumerate([*directions(inputs.shape[1]), *_shifts(inputs)]):
        if time.monotonic() > end or (found and tried > DIRECTIONS_AFTER_A_FIT):
            break
        if _along(inputs[few], values[few], direction) is not None:
            found += [fit for fit in [_along(inputs, values, direction)] if fit is not None]
    if not found or min(map(cost, found))[0] > FEW_NEURONS:
        found += [fit for fit in [_sparse(inputs, values, known)] if fit is not None]
    if not found or min(map(cost, found))[0] > FEW_NEURONS:
        found += [fit for fit in [_gated(inputs, values)] if fit is not None]
    return min(found, key=cost, default=None)


def directions(size: int) -> list[tuple[int, ...]]:
    """Returns vectors of small whole numbers, simple ones first; of ``v`` and ``-v`` only one."""
    found: list[tuple[int, ...]] = []
    for norm in range(1, max(map(max, NUMBERS)) + 1):
        if len(found) < DIRECTIONS:  # there are millions of the larger ones
            found += sorted(_of_norm(size, norm))
    return found[:DIRECTIONS]


def _of_norm(size: int, norm: int) -> Iterator[tuple[int, ...]]:
    """Yields the directions whose absolute values add up to ``norm``."""
    for count in range(1, min(size, norm) + 1):
        parts = itertools.combinations_with_replacement(range(1, norm + 1), count)
        values = [v for each in parts if sum(each) == norm for v in set(itertools.permutations(each))]
        values = [v for v in values if any(max(v) <= most and count <= entries for most, entries in NUMBERS)]
        signs = [(1, *each) for each in itertools.product((1, -1), repeat=count - 1)]
        for places, value, sign in itertools.product(itertools.combinations(range(size), count), values, signs):
            vector = [0] * size
            for place, x, s in zip(places, value, sign, strict=True):
                vector[place] = x * s
            yield tuple(vector)


def _shifts(inputs: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Yields directions in which a bit shifts a number, for thresholds with hysteresis."""
    units = np.eye(inputs.shape[1], dtype=int)
    for bit, n in itertools.product(_bits(inputs), range(inputs.shape[1])):
        for shift in range(SMALLEST_SHIFT, min(int(np.ptp(inputs[:, n])), LONGEST_SHIFT) + 1 if n != bit else 0):
            yield from (tuple((units[n] + sign * shift * units[bit]).tolist()) for sign in (-1, 1))


def _linear(inputs: np.ndarray, values: np.ndarray) -> tuple[tuple[Fraction, ...], Fraction] | None:
    """Fits ``values`` by an exact linear function; returns it with its constant, or None."""
    columns = np.concatenate([inputs, np.ones((len(inputs), 1), dtype=object)], axis=1).astype(float)
    weights, _, rank, _ = np.linalg.lstsq(columns, values.astype(float), rcond=None)
    if rank < columns.shape[1]:  # the weights are many and small: use independent columns only
        needed = [*independent(inputs), inputs.shape[1]]
        weights = np.zeros(columns.shape[1])
        weights[needed] = np.linalg.lstsq(columns[:, needed], values.astype(float), rcond=None)[0]
    exact = [Fraction(float(w)).limit_denominator(LARGEST_DENOMINATOR) for w in weights]
    fitted = sum((int(w.numerator) * inputs[:, i] * (LCM // w.denominator) for i, w in enumerate(exact[:-1]) if w), 0)
    fitted = fitted + exact[-1].numerator * (LCM // exact[-1].denominator)
    return (tuple(exact[:-1]), exact[-1]) if np.all(fitted == values * LCM) else None


LCM = int(np.lcm.reduce(np.arange(1, LARGEST_DENOMINATOR + 1).astype(object)))


def _along(inputs: np.ndarray, values: np.ndarray, direction: tuple[int, ...]) -> Sum | None:
    """Fits ``values`` exactly by a linear function plus one of ``direction . inputs``; or None."""
    u = inputs @ np.array(direction, dtype=object)
    points, group = np.unique(u.astype(np.int64), return_inverse=True)
    if len(points) < 3:
        return None
    skip = max(i for i, x in enumerate(direction) if x)  # the direction makes this column redundant
    counts = np.bincount(group)

    def within(column: np.ndarray) -> np.ndarray:
        return column - (np.bincount(group, column) / counts)[group]

    columns = np.stack([within(inputs[:, i].astype(float)) for i in range(inputs.shape[1]) if i != skip] or [np.zeros(len(u))])
    weights, *_ = np.linalg.lstsq(columns.T, within(values.astype(float)), rcond=1e-9)
    if np.abs(columns.T @ weights - within(values.astype(float))).max() > 1e-6:
        return None
    linear = [Fraction(float(w)).limit_denominator(LARGEST_DENOMINATOR) for w in weights]
    if inputs.shape[1] == 1:
        linear = []
    linear.insert(skip, Fraction(0))
    rest = values * LCM - sum(
        (w.numerator * (LCM // w.denominator) * inputs[:, i] for i, w in enumerate(linear) if w), np.zeros(len(u), dtype=object)
    )
    levels: dict[int, int] = {}
    for point, value in zip(u, rest, strict=True):
        if levels.setdefault(point, value) != value:
            return None
    places = sorted(levels)
    slopes = [Fraction(levels[b] - levels[a], LCM * (b - a)) for a, b in itertools.pairwise(places)]
    hinges = {
        Hinge(direction, at): after - before
        for at, (before, after) in zip(places[1:], itertools.pairwise(slopes), strict=False)
    }
    hinges = {hinge: weight for hinge, weight in hinges.items() if weight}
    if len(hinges) > HINGES:
        return None
    first = slopes[0]
    linear = [w + first * d for w, d in zip(linear, direction, strict=True)]
    constant = Fraction(levels[places[0]], LCM) - first * places[0]
    return Sum(tuple(linear), constant, hinges)


def _gated(inputs: np.ndarray, values: np.ndarray) -> Sum | None:
    """Fits ``values`` by a linear function plus a weighted bit times a bounded number; or None.

    ``bit * n = relu(n - low + size * bit - size) + low * bit``, where ``low <= n <= low + size``.
    """
    size = inputs.shape[1]
    for bit, other in itertools.product(_bits(inputs), range(size)):
        low, span = int(inputs[:, other].min()), int(np.ptp(inputs[:, other]))
        if other == bit or not span:
            continue
        hinge = Hinge(tuple(span if i == bit else int(i == other) for i in range(size)), low + span)
        column = np.maximum(inputs @ np.array(hinge.direction, dtype=object) - hinge.threshold, 0)
        fitted = _linear(np.concatenate([inputs, column[:, None]], axis=1), values)
        if fitted is not None:
            *linear, weight = fitted[0]
            return Sum(tuple(linear), fitted[1], {hinge: weight})
    return None


def _sparse(inputs: np.ndarray, values: np.ndarray, known: Sequence[Hinge]) -> Sum | None:
    """Fits ``values`` by a sum of hinges in any of the simple directions and of gates; or None.

    The weights minimise the sum of absolute values (basis pursuit), which is a linear program. In
    the next round small weights cost more, so that few remain (Candes, Wakin and Boyd, "Enhancing
    sparsity by reweighted l1 minimization", 2008). The program is solved on some rows; rows with an
    error are added.
    """
    from scipy.optimize import linprog  # the import takes a third of a second

    some = itertools.islice(_dictionary(inputs), 2 * DICTIONARY)
    hinges = list(dict.fromkeys([*known, *some]))[:DICTIONARY]
    if not hinges:
        return None
    raised = np.stack([np.maximum(inputs @ np.array(h.direction, dtype=object) - h.threshold, 0) for h in hinges], axis=1)
    columns = np.concatenate([raised, inputs, np.ones((len(inputs), 1), dtype=object)], axis=1)
    is_known = np.array([hinge in known for hinge in hinges])
    price = np.where(is_known, 0.1, 1.0 + 0.05 * np.array([sum(map(bool, h.direction)) for h in hinges]))
    cost = np.concatenate([price, np.full(inputs.shape[1] + 1, 0.01)])
    rows = (
        np.arange(len(inputs))
        if len(inputs) <= FIRST_ROWS
        else np.random.default_rng(0).choice(len(inputs), FIRST_ROWS, replace=False)
    )
    floats, weight = columns.astype(float), np.ones(len(cost))
    for _ in range(REWEIGHTED):
        solved = linprog(
            np.tile(cost * weight, 2),
            A_eq=np.concatenate([floats[rows], -floats[rows]], axis=1),
            b_eq=values[rows].astype(float),
            options={"time_limit": SOLVING},
        )
        if solved.x is None:
            return None
        w = solved.x[: len(cost)] - solved.x[len(cost) :]
        wrong = np.nonzero(np.abs(floats @ w - values.astype(float)) > 1e-6 * max(1.0, np.abs(values).max()))[0]
        if len(wrong):
            rows = np.concatenate([rows, wrong[:FIRST_ROWS]])
        else:
            weight = 1 / (np.abs(w) + 0.05)
    exact = [Fraction(float(x)).limit_denominator(LARGEST_DENOMINATOR) for x in w]
    if np.any(columns @ np.array([x.numerator * (LCM // x.denominator) for x in exact], dtype=object) != values * LCM):
        return None
    chosen = {hinge: x for hinge, x in zip(hinges, exact, strict=False) if x}
    return Sum(tuple(exact[len(hinges) : -1]), exact[-1], chosen)


def _dictionary(inputs: np.ndarray) -> Iterator[Hinge]:
    """Yields the candidate hinges of a sum: those of gates, and those of simple directions.

    A gate passes a bounded number n only if another number x is at least, or at most, c: for
    ``0 <= n <= size`` it is ``relu(n + size * (x - c)) - size * relu(x - c)``.
    """
    size = inputs.shape[1]
    low, span = inputs.min(axis=0), np.ptp(inputs, axis=0)
    levels = [sorted(set(column)) for column in inputs.T]
    for x, n in itertools.permutations([i for i in range(size) if len(levels[i]) <= LEVELS], 2):
        for sign, c in itertools.product((1, -1), levels[x]):
            direction = tuple(int(span[n]) * sign * (i == x) + (i == n) for i in range(size))
            yield Hinge(direction, int(low[n] + span[n] * sign * c))
    for direction in directions(size)[:SIMPLE_DIRECTIONS]:
        points = np.unique(inputs @ np.array(direction, dtype=object))
        if len(points) <= LEVELS:
            yield from (Hinge(direction, int(point)) for point in points[1:-1])


def _with_product(inputs: np.ndarray, values: np.ndarray, switches: Sequence[tuple[int, ...]]) -> Sum | None:
    """Fits ``values`` by a linear function plus a weighted bit times another number; or None.

    A bit is one of the numbers, or one of the ``switches``.
    """
    units = [tuple(int(i == j) for i in range(inputs.shape[1])) for j in range(inputs.shape[1])]
    for bit, other in itertools.product([*(units[j] for j in _bits(inputs)), *switches], units):
        if other == bit:
            continue
        column = (inputs @ np.array(bit, dtype=object)) * (inputs @ np.array(other, dtype=object))
        fitted = _linear(np.concatenate([inputs, column[:, None]], axis=1), values)
        if fitted is not None:
            *linear, weight = fitted[0]
            return Sum(tuple(linear), fitted[1], {}, {Product(bit, other): weight})
    return None


def _bits(inputs: np.ndarray) -> list[int]:
    return [j for j in range(inputs.shape[1]) if set(inputs[:, j]) == {0, 1}]


def fit_conjunctions(states: np.ndarray, values: np.ndarray) -> dict[int, list[Hinge]] | None:
    """Finds for each nonzero value thresholds that are all passed exactly in its rows.

    Args:
        states: (rows, components), whole.
        values: (rows,), whole.

    Returns:
        By value, hinges that stand for ``direction . state > threshold``; None if there are no such
        thresholds, or more than 16 values.
    """
    if len(set(values)) > VALUES:
        return None
    found = {}
    for value in sorted(set(values) - {0}):
        taken = values == value
        thresholds = []
        for direction in directions(states.shape[1])[:200]:
            for sign in (1, -1):
                d = tuple(sign * x for x in direction)
                u = states @ np.array(d, dtype=object)
                thresholds.append((Hinge(d, int(u[taken].min()) - 1), u > int(u[taken].min()) - 1))
        chosen: list[Hinge] = []
        others = ~taken  # the rows that must still be excluded
        while others.any():
            hinge, reached = min(thresholds, key=lambda each: (int((others & each[1]).sum()), sum(map(abs, each[0].direction))))
            if not (others & ~reached).any():
                return None
            chosen.append(hinge)
            others = others & reached
        found[int(value)] = chosen
    return found
