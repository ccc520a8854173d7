"""Machines of tables: infers machines from the rows of a table.

The rows of a table cannot answer tests, unless the table has every short string. But earlier
answers and items often reveal the hidden state: the last answers and items, a sum of all items, the
largest item, the time since an item. These are columns like those of
:mod:`dmmlab.transitions.predictions`, and closed sets of them are fitted in the same way. If no fit
is exact and the answers are not whole numbers, the answers are modelled as a linear function of
sums and last items, with noise.
"""

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.vvalues import VValue
from ..problems.problems import Problem
from ..problems.target_rows import Function
from ..transitions.closed_sets import closed_sets, independent, linear_set
from ..transitions.exact_fits import Sum
from ..transitions.machines_of_sums import MachineOfSums
from ..transitions.observed_transitions import Feature, TransitionError, Transitions, features_of
from ..transitions.transitions import LINKS, fitted, transition_machine
from .examples import NEARLY, SHARES, Examples

ROWS, MOST = 6000, 2500  # rows that are used, and distinct transitions that are fitted, at most
SMALL = 10  # sets of last answers and items that are tried before the linear functions of all columns
COLUMNS = 24  # columns of such a set, at most
BACK, ITEMS_BACK = 3, 6  # numbers of earlier answers, and of earlier items, that are columns
KINDS = 4  # different items, at most, for the count of each to be a column
DECIMALS = 4  # decimals of numbers that are scaled to whole numbers, at most
FITTING = 2.0  # seconds after which one machine that reproduces the validation rows is enough
FIRST = 0.15  # share of the time for closed sets of columns, before states are merged
LETTERS, LONGEST, STATES = 64, 200, 60  # different items, items of a string, and states of an automaton, at most
CHOSEN = 6  # terms of a linear function with noise, at most
BETTER = 0.98  # another term must reduce the squared error to this share or less

Made = tuple[Machine, tuple[int, ...]]


def machine_of_rows(examples: Examples, seconds: float) -> Made | None:
    """Returns the smallest machine that reproduces the validation rows, or explains most of them.

    Args:
        examples: the table.
        seconds: the time limit.

    Returns:
        The machine, and the delay of each answer in cycles; None if nothing fits any rows.

    Raises:
        LabError: an item that a machine cannot run on.
    """
    began, right, best = time.monotonic(), list[Made](), list[tuple[float, Made]]()
    end = began + seconds

    def tell(made: Made) -> None:
        if made[0].count() <= LINKS:
            share = replace(examples, delay=made[1]).judge(made[0], 1).share(examples.tolerance or NEARLY)
            best.append((share, made))
            if share == 1.0:
                right.append(made)

    columns = _of_columns(examples, end)
    for until in (began + FIRST * seconds, end):
        with contextlib.suppress(TransitionError):
            for seen in columns:
                with contextlib.suppress(TransitionError):
                    tell(fitted(examples, seen, True, until))
                until = min(until, time.monotonic() + FITTING) if right else until
                if time.monotonic() > until:
                    break
        if not right and until < end:
            with contextlib.suppress(LabError):
                tell(_of_automaton(examples, end))
        if right:
            break
    if right:
        return min(right, key=lambda made: made[0].count())
    if not examples.is_whole or examples.tolerance is not None:
        return _with_noise(examples)
    return max(best, key=lambda each: each[0])[1] if best else None


def _strings(examples: Examples, features: Sequence[Feature]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields for each training string the arrays (cycles, features) and (cycles, answers)."""
    budget = ROWS
    for string in examples.parts[0]:
        count = int(SHARES[0] * len(string.items)) if examples.is_divided_by_time else len(string.items)
        count = min(count, budget)
        budget -= count
        if not count:
            return
        numbers = np.array([[float(f.of(item)) for f in features] for item in string.items[:count]])
        yield numbers, string.answers[:count]


def _of_columns(examples: Examples, end: float) -> Iterator[Transitions]:
    """Yields the transitions of closed sets of columns made from earlier answers and items."""
    features = features_of(examples)
    strings = list(_strings(examples, features))
    units = [_unit(np.concatenate([numbers[:, i] for numbers, _ in strings])) for i in range(len(features))]
    scales = [_unit(np.concatenate([right[:, j] for _, right in strings])) for j in range(len(examples.answers))]
    features = [
        f if unit == 1 else Feature(lambda item, f=f, unit=unit: round(f.of(item) * unit), None, f.source, unit=unit)  # type: ignore[misc]
        for f, unit in zip(features, units, strict=True)
    ]
    multiplied = [np.rint(numbers * [float(u) for u in units]) for numbers, _ in strings]
    kinds = np.unique(np.concatenate(multiplied), axis=0)
    ends = kinds.min(axis=0), kinds.max(axis=0)
    kinds = kinds[: len(kinds) if len(kinds) <= KINDS else 0]
    tables, before, after, read, answered = list[np.ndarray](), list[int](), list[int](), [], []
    for x, (_, right) in zip(multiplied, strings, strict=True):
        y = right * [float(s) for s in scales]
        known = ~np.isnan(y).any(axis=1)
        carried = y.copy()
        for t in range(len(carried)):
            unknown = np.isnan(carried[t])
            carried[t, unknown] = carried[t - 1, unknown] if t else 0.0
        start = sum(map(len, tables))
        tables.append(np.stack(list(_columns(x, np.rint(carried), ends, kinds)), axis=1))
        rows = np.nonzero(known)[0]
        before += (start + rows).tolist()
        after += (start + rows + 1).tolist()
        read.append(x[rows])
        answered.append(np.rint(y[rows]))
    table = np.concatenate(tables)
    places: dict[bytes, int] = {}  # places of distinct columns, in their order
    same = [places.setdefault(column.tobytes(), len(places)) for column in table.T]
    kept = [same.index(place) for place in range(len(places))]
    order = sorted((i for i in kept if table[:, i].any()), key=lambda i: len(np.unique(table[:, i])))
    rank = {same[i]: n for n, i in enumerate(order)}
    numbered = [*_natural(len(scales), len(features)), [len(same) - 1 - i for i in range(len(kinds))]]
    natural = [sorted({rank[same[i]] for i in each if same[i] in rank}) for each in numbered]
    whole = np.vectorize(int, otypes=[object])
    table, items, answers = whole(table[:, order]), whole(np.concatenate(read)), whole(np.concatenate(answered))
    _, each = np.unique(items.astype(float), axis=0, return_inverse=True)
    needed = independent(items)
    linear = linear_set(table, (before, after), np.column_stack([items, np.ones(len(items))]).astype(float), answers)
    for state in closed_sets(table, [*natural[:SMALL], linear, *natural[SMALL:]], (before, after), each.ravel(), answers, end):
        columns = table[before][:, state], items[:, needed], table[after][:, state], answers
        _, first = np.unique(np.concatenate(columns, axis=1).astype(float), axis=0, return_index=True)
        b, i, a, y = (column[np.sort(first)[:MOST]] for column in columns)
        yield Transitions(b, i, a, y, [features[k] for k in needed], scales=scales)


def _columns(x: np.ndarray, y: np.ndarray, ends: tuple[np.ndarray, np.ndarray], kinds: np.ndarray) -> Iterator[np.ndarray]:
    """Yields candidates for a state, before the first item and after each: (cycles + 1,)."""
    for back, table in ((BACK, y), (ITEMS_BACK, x)):
        for numbers in table.T:
            for n in range(1, back + 1):
                yield np.concatenate([np.zeros(n), numbers])[: len(numbers) + 1]
    yield np.minimum(np.arange(len(x) + 1), 1)
    for numbers, low, high in zip(x.T, *ends, strict=True):
        yield np.concatenate([[0], np.cumsum(numbers)])
        for above in (numbers, -numbers, numbers - low, high - numbers):  # the largest, or the smallest, so far
            yield np.concatenate([[0], np.maximum(0, np.maximum.accumulate(above))])
        came = np.where(numbers != 0, np.arange(1, len(numbers) + 1), 0)
        yield np.arange(len(numbers) + 1) - np.concatenate([[0], np.maximum.accumulate(came)])
    yield np.arange(len(x) + 1) % 2
    for kind in kinds:
        yield np.concatenate([[0], np.cumsum((x == kind).all(axis=1))])


def _natural(answers: int, features: int) -> Iterator[list[int]]:
    """Yields sets of columns, each of the last few answers and the last few items."""
    for a, b in sorted(itertools.product(range(BACK + 1), range(ITEMS_BACK + 1)), key=lambda both: (sum(both), both)):
        last = [n * BACK + back for n in range(answers) for back in range(a)]
        columns = [*last, *(answers * BACK + n * ITEMS_BACK + back for n in range(features) for back in range(b))]
        if len(columns) <= COLUMNS:
            yield columns


def _of_automaton(examples: Examples, end: float) -> Made:
    """Returns the machine of the automaton that state merging finds, used as a black box.

    The training strings form a tree of states. States are merged if no recorded answer
    distinguishes them (RPNI, Oncina and Garcia 1992, in the implementation of AALpy).
    """
    from aalpy.learning_algs import run_RPNI

    letters = set[str]()
    data, budget = [], ROWS
    for string in examples.parts[0]:
        read: tuple = ()
        for item, right in zip(string.items, string.answers.tolist(), strict=True):
            letters.add(str(item))
            read += (str(item),)
            if right == right:
                data.append((read, tuple(right)))
        budget -= len(read)
        if budget < 0:
            break
    if len(letters) > LETTERS or not examples.is_whole or max(len(read) for read, _ in data) > LONGEST:
        raise TransitionError("the rows are no strings of few letters")
    automaton = run_RPNI(data, "mealy", input_completeness="self_loop", print_info=False)
    if automaton is None or len(automaton.states) > STATES:
        raise TransitionError("no small automaton explains the rows")
    nothing = (0,) * len(examples.answers)

    def target(items: Iterable[VValue]) -> Iterator[tuple[int, ...]]:
        state = automaton.initial_state
        for item in items:
            answer = state.output_fun[str(item)]
            yield tuple(map(int, answer)) if isinstance(answer, tuple) else nothing
            state = state.transitions[str(item)]

    return transition_machine(as_black_box(examples, target), 0, max(0.1, end - time.monotonic()), black_box=True)


def as_black_box(examples: Examples, target: Function) -> Problem:
    """Returns a problem with the recorded items, and a target in place of the source of a table."""
    items = {str(item): item for each in examples.parts[0] for item in each.items}
    return Problem(
        examples.question,
        target,
        draw=examples.draw,
        alphabet=tuple(items.values()) if len(items) <= LETTERS else (),
        constants=examples.constants,
        answers=examples.answers,
        inputs=examples.inputs,
        silence=examples.silence,
        longest=examples.longest,
    )


def _with_noise(examples: Examples) -> Made | None:
    """Returns a machine whose answers are linear functions of a few sums and last items.

    Terms are chosen one at a time (orthogonal matching pursuit) while the squared error on the rows
    falls. Their weights are the simplest fractions within three standard errors.
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
    state = []  # for each feature: its sum, and its last values
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
    """Yields for each feature its sum and its last values before each item; then the features."""
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
    """Returns the fraction with the smallest denominator that is within a distance of ``x``."""
    for denominator in range(1, 65):
        if abs(round(x * denominator) / denominator - x) <= within:
            return Fraction(round(x * denominator), denominator)
    return Fraction(x).limit_denominator(10_000)


def _unit(values: np.ndarray) -> Fraction:
    """Returns the power of ten that makes numbers with few decimals whole."""
    known = values[~np.isnan(values)]
    for decimals in range(DECIMALS + 1):
        scaled = known * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) < 1e-6):
            return Fraction(10**decimals)
    raise TransitionError("numbers with many decimals")
