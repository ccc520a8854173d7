"""Machines of tables: what the rows of a table say about the state of what made them.

A row has no answers to tests, unless the table has every short string. But a state often shows in
what was answered and read before: the last answers and items, a sum of all items, the largest, how
long ago one came. These are columns as those of :mod:`dmmlab.black_boxes.predictions`, and closed
sets of them are fitted in the same way. Where no fit is exact, answers that are no whole numbers
are taken as a linear function of sums and last items, with noise.
"""

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from ..black_boxes.predictions import BlackBox, closed_sets, independent, states

from ..core.machine import Machine
from ..synthesis.exact_fits import Sum
from ..synthesis.machines_of_sums import MachineOfSums
from ..synthesis.observed_transitions import Feature, Transitions, TransitionError, features_of
from ..synthesis.transitions import LINKS, fitted
from .examples import SHARES, Examples

ROWS, MOST = 6000, 2500  # that are looked at, and distinct transitions that are fitted, at most
BACK = 3  # items and answers before, that are columns
DECIMALS = 4  # of numbers that are made whole
FITTING = 2.0  # seconds after which one machine that reproduces the rows to choose with is enough
COMPLETE = 4  # items of an alphabet of which a table may have every short string
CHOSEN = 6  # terms of a linear function with noise, at most
BETTER = 0.98  # of the squared error with a term less: what one more must reach

Made = tuple[Machine, tuple[int, ...]]


def machine_of_rows(examples: Examples, seconds: float) -> Made | None:
    """The smallest machine that reproduces the rows to choose with; else the one that explains most.

    Args:
        examples: the table.
        seconds: that may be spent.

    Returns:
        The machine, and the delay of each answer in cycles; None if nothing fits any rows.

    Raises:
        LabError: an item that a machine cannot run on.
    """
    end, right, best = time.monotonic() + seconds, list[Made](), list[tuple[float, Made]]()
    until = end
    try:
        for seen, scales in itertools.chain(_of_columns(examples, end), _of_tests(examples, end)):
            if time.monotonic() > (until if right else end):
                break
            try:
                made = fitted(examples, seen, True, end, scales)
            except TransitionError:
                continue
            if made[0].count() > LINKS:
                continue
            share = examples.with_delay(made[1]).judge(made[0], 1).share(examples.tolerance or 1e-9)  # type: ignore[attr-defined]
            best.append((share, made))
            if share == 1.0:
                right.append(made)
                until = min(until, time.monotonic() + FITTING)
    except TransitionError:
        pass
    if right:
        return min(right, key=lambda made: made[0].count())
    if not examples.is_whole or examples.tolerance is not None:
        return _with_noise(examples)
    return max(best, key=lambda each: each[0])[1] if best else None


def _strings(examples: Examples, features: Sequence[Feature]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each string to learn from: (cycles, features), (cycles, answers)."""
    budget = ROWS
    for string in examples.parts[0]:
        count = int(SHARES[0] * len(string.items)) if examples.is_divided_by_time else len(string.items)
        count = min(count, budget)
        budget -= count
        if not count:
            return
        numbers = np.array([[float(f.of(item)) for f in features] for item in string.items[:count]])
        yield numbers, string.answers[:count]


def _of_columns(examples: Examples, end: float) -> Iterator[tuple[Transitions, Sequence[Fraction]]]:
    """Closed sets of what was answered and read before."""
    features = features_of(examples)
    strings = list(_strings(examples, features))
    units = [_unit(np.concatenate([numbers[:, i] for numbers, _ in strings])) for i in range(len(features))]
    scales = [_unit(np.concatenate([right[:, j] for _, right in strings])) for j in range(len(examples.answers))]
    features = [
        f if unit == 1 else Feature(lambda item, f=f, unit=unit: round(f.of(item) * unit), None, f.source, None, unit)  # type: ignore[misc]
        for f, unit in zip(features, units, strict=True)
    ]
    tables, before, after, read, answered = [], list[int](), list[int](), [], []
    for numbers, right in strings:
        x, y = np.rint(numbers * [float(u) for u in units]), right * [float(s) for s in scales]
        known = ~np.isnan(y).any(axis=1)
        carried = y.copy()
        for t in range(len(carried)):
            unknown = np.isnan(carried[t])
            carried[t, unknown] = carried[t - 1, unknown] if t else 0.0
        start = sum(map(len, tables))
        tables.append(np.stack(list(_columns(x, np.rint(carried))), axis=1))
        rows = np.nonzero(known)[0]
        before += (start + rows).tolist()
        after += (start + rows + 1).tolist()
        read.append(x[rows])
        answered.append(np.rint(y[rows]))
    table = np.concatenate(tables)
    distinct = [i for i in range(table.shape[1]) if table[:, i].any()]
    firsts = {tuple(table[:, i]): i for i in reversed(distinct)}
    chosen = sorted(firsts.values(), key=lambda i: len(np.unique(table[:, i])))
    whole = np.vectorize(int, otypes=[object])
    table, items, answers = whole(table[:, chosen]), whole(np.concatenate(read)), whole(np.concatenate(answered))
    _, each = np.unique(items.astype(float), axis=0, return_inverse=True)
    needed = independent(items)
    for state in closed_sets(table, 0, (before, after), each.ravel(), answers, end):
        columns = table[before][:, state], items[:, needed], table[after][:, state], answers
        _, first = np.unique(np.concatenate(columns, axis=1).astype(float), axis=0, return_index=True)
        b, i, a, y = (column[np.sort(first)[:MOST]] for column in columns)
        yield Transitions(b, i, a, y, [features[k] for k in needed]), scales


def _columns(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """What a machine might remember after each of the items, and before the first: (cycles + 1,)."""
    for numbers in (*y.T, *x.T):
        for back in range(1, BACK + 1):
            yield np.concatenate([np.zeros(back), numbers])[: len(numbers) + 1]
    for numbers in x.T:
        yield np.concatenate([[0], np.cumsum(numbers)])
        yield np.concatenate([[0], np.maximum(0, np.maximum.accumulate(numbers))])
        yield np.concatenate([[0], np.minimum(0, np.minimum.accumulate(numbers))])
        came = np.where(numbers != 0, np.arange(1, len(numbers) + 1), 0)
        yield np.arange(len(numbers) + 1) - np.concatenate([[0], np.maximum.accumulate(came)])
    yield np.arange(len(x) + 1) % 2


def _of_tests(examples: Examples, end: float) -> Iterator[tuple[Transitions, Sequence[Fraction]]]:
    """What the table itself answers to tests, where it has every short string over its items."""
    features = features_of(examples)
    items = list({str(item): item for string in examples.parts[0] for item in string.items}.values())
    if len(items) > COMPLETE or not examples.is_whole:
        return

    def run(string: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        for row in examples._recorded([items[i] for i in string]):
            if any(x != x for x in row):
                raise TransitionError("the table does not have every short string")
            yield tuple(map(int, row))

    longest = min(examples.longest or 0, int(math.log(max(2, len(examples.strings)), max(2, len(items)))))
    box = BlackBox(run, len(items), len(examples.answers), end, longest_test=3)
    deepest = longest - 4
    pairs = [
        (s, i)
        for n in range(max(0, deepest) + 1)
        for s in itertools.product(range(len(items)), repeat=n)
        for i in range(len(items))
    ]
    numbers = np.array([[int(f.of(items[i])) for f in features] for _, i in pairs], dtype=object)
    needed = independent(numbers)
    answers = np.array([box.answers((*s, i)) for s, i in pairs], dtype=object)
    for state in states(box, pairs):
        columns = state.before, numbers[:, needed], state.after, answers
        _, first = np.unique(np.concatenate(columns, axis=1).astype(float), axis=0, return_index=True)
        b, i, a, y = (column[np.sort(first)] for column in columns)
        yield Transitions(b, i, a, y, [features[k] for k in needed]), [Fraction(1)] * len(examples.answers)


def _with_noise(examples: Examples) -> Made | None:
    """A machine whose answers are linear in sums and last items, as few of them as explain the rows.

    Terms are chosen one after the other (orthogonal matching pursuit) as long as the squared error
    on the rows falls; their weights are the simplest fractions within two standard errors.
    """
    features = features_of(examples)
    strings = list(_strings(examples, features))
    x = [
        np.concatenate([np.stack(list(_linear_columns(numbers)), axis=1), np.ones((len(numbers), 1))], axis=1)
        for numbers, _ in strings
    ]
    columns, right = np.concatenate(x), np.concatenate([y for _, y in strings])
    count = len(features)
    functions = []
    for values in right.T:
        known = ~np.isnan(values)
        weights = _few_terms(columns[known], values[known])
        if weights is None:
            return None
        functions.append(weights)
    size = columns.shape[1] - 1
    state = []  # for each feature: its sum, and the last items
    for i in range(count):
        for k in range(BACK + 1):
            row = [Fraction(0)] * (size - count + count)
            row[i * (BACK + 1) + k if k == 0 else i * (BACK + 1) + k - 1] = Fraction(int(k != 1))
            if k <= 1:
                row[size - count + i] = Fraction(1)
            state.append(Sum(tuple(row), Fraction(0), {}))
    builder = MachineOfSums(examples, state, features)
    delays = [builder.answer(name, Sum(tuple(w[:-1]), w[-1], {})) for name, w in zip(examples.answers, functions, strict=True)]
    return builder.machine(), tuple(delays)


def _linear_columns(x: np.ndarray) -> Iterator[np.ndarray]:
    """Before each item: for each feature its sum and the last items; then the features of the item."""
    for numbers in x.T:
        yield np.concatenate([[0], np.cumsum(numbers)])[:-1]
        for back in range(1, BACK + 1):
            yield np.concatenate([np.zeros(back), numbers])[: len(numbers)]
    yield from x.T


def _few_terms(columns: np.ndarray, values: np.ndarray) -> list[Fraction] | None:
    chosen: list[int] = []
    left = float(np.var(values)) * len(values)
    centred = columns - columns.mean(axis=0)
    sizes = np.maximum(np.linalg.norm(centred, axis=0), 1e-12)
    rest = values - values.mean()
    while len(chosen) < CHOSEN:
        scores = np.abs(centred.T @ rest) / sizes
        scores[chosen] = -1.0
        scores[-1] = -1.0
        tried = [*chosen, int(np.argmax(scores))]
        design = np.column_stack([columns[:, tried], np.ones(len(values))])
        weights, *_ = np.linalg.lstsq(design, values, rcond=None)
        after = float(np.sum((values - design @ weights) ** 2))
        if after > BETTER * left:
            break
        chosen, left, rest = tried, after, values - design @ weights
    if not chosen:
        return None
    design = np.column_stack([columns[:, chosen], np.ones(len(values))])
    weights, *_ = np.linalg.lstsq(design, values, rcond=None)
    noise = left / max(1, len(values) - len(chosen) - 1)
    errors = np.sqrt(np.maximum(noise * np.diag(np.linalg.pinv(design.T @ design)), 0.0))
    result = [Fraction(0)] * columns.shape[1]
    for i, w, e in zip([*chosen, columns.shape[1] - 1], weights, errors, strict=True):
        result[i] = _simplest(float(w), 3 * float(e) + 1e-9)
    return result


def _simplest(x: float, within: float) -> Fraction:
    """The fraction with the smallest denominator that is that near."""
    for denominator in range(1, 65):
        if abs(round(x * denominator) / denominator - x) <= within:
            return Fraction(round(x * denominator), denominator)
    return Fraction(x).limit_denominator(10_000)


def _unit(values: np.ndarray) -> Fraction:
    """The power of ten that makes numbers whole, if they have few decimals."""
    known = values[~np.isnan(values)]
    for decimals in range(DECIMALS + 1):
        scaled = known * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) < 1e-6):
            return Fraction(10**decimals)
    raise TransitionError("numbers with many decimals")
