"""Closed sets of columns: candidates for the state of a machine.

A table has a row for each string and a column for each number that may be part of the state
(:mod:`dmmlab.transitions.predictions`, :mod:`dmmlab.sources.table_machines`). A set of columns is
*closed* if the columns after an item, and the answers, are functions of the columns before it and
of the item. Small sets are searched first.
"""

import itertools
import time
from collections.abc import Iterator, Sequence

import numpy as np

SIZE = 3  # columns, at most, of the sets that are all tried
SETS = 40_000  # sets that are tried, at most
UNIQUE = 0.95  # if a column makes more than this share of transitions distinct, its set of one comes later
LINEAR = 1e-6  # relative error of a linear function, at most
GROWN_COLUMNS = 8  # columns of a greedily grown set, at most


def closed_sets(
    table: np.ndarray,
    first: Sequence[Sequence[int]],
    rows: tuple[list[int], list[int]],
    items: np.ndarray,
    answers: np.ndarray,
    end: float,
    larger: Sequence[int] = (),
) -> Iterator[list[int]]:
    """Yields closed sets of columns: the empty set, suggested sets, small sets, some larger sets.

    Args:
        table: (strings, columns), whole.
        first: suggested sets, as column indices.
        rows: the indices of the strings before, and after, each transition.
        items: (transitions,), the index of each item.
        answers: (transitions, answers).
        end: when to stop, as a value of ``time.monotonic()``.
        larger: the last columns, if they form one set; it is tried after sets of two other columns.

    Yields:
        The column indices of each closed set.
    """
    ids = np.array([np.unique(column.astype(float), return_inverse=True)[1] for column in table.T])  # (columns, strings)
    if not len(ids):
        ids = np.zeros((0, len(table)), dtype=int)
    known, following = ids[:, rows[0]], ids[:, rows[1]]
    answered = np.unique(answers.astype(float), axis=0, return_inverse=True)[1].ravel()

    def grouped(chosen: Sequence[int]) -> np.ndarray:
        group = items.copy()
        for i in chosen:
            group = np.unique(group * (known[i].max() + 1) + known[i], return_inverse=True)[1]
        return group

    def conflicts(chosen: Sequence[int], group: np.ndarray) -> int:
        """Counts the rows with another answer or next column than the first row of their group."""
        _, one = np.unique(group, return_index=True)
        wrong = answered != answered[one][group]
        for i in chosen:
            wrong |= following[i] != following[i][one][group]
        return int(wrong.sum())

    def grown(count: int) -> list[int]:
        """Grows a set greedily by the column that leaves the fewest conflicts."""
        chosen: list[int] = []
        while len(chosen) < min(GROWN_COLUMNS, count) and conflicts(chosen, grouped(chosen)) and time.monotonic() < end:
            others = [[*chosen, i] for i in range(count) if i not in chosen]
            chosen = min(others, key=lambda each: conflicts(each, grouped(each)))
        return sorted(chosen)

    items, tried, others = np.unique(items, return_inverse=True)[1], 0, len(ids) - len(larger)
    for size in range(SIZE + 1):
        for code in first if size == 1 else ():
            if len(code) and not conflicts(code, grouped(code)):
                yield list(code)
        for code in (larger, grown(others)) if size == SIZE else ():
            if len(code) >= SIZE and not conflicts(code, grouped(code)):
                yield list(code)
        late: list[list[int]] = []
        for chosen in itertools.combinations(range(others), size):
            tried += 1
            if tried > SETS or time.monotonic() > end:
                return
            if not conflicts(chosen, group := grouped(chosen)):
                if size == 1 and group.max() > UNIQUE * len(group):
                    late.append(list(chosen))
                else:
                    yield list(chosen)
        yield from late


def linear_set(table: np.ndarray, rows: tuple[list[int], list[int]], each: np.ndarray, answers: np.ndarray) -> list[int]:
    """Finds columns whose next values are linear functions of these columns and the item.

    Columns that are not linear are removed repeatedly.

    Args:
        table: (strings, columns), whole.
        rows: the indices of the strings before, and after, each transition.
        each: (transitions, numbers) of the item, a 1 among them.
        answers: (transitions, answers).

    Returns:
        Their indices; none if the answer is no linear function of the remaining columns.
    """
    chosen = independent(table)
    while chosen:
        known = np.concatenate([table[rows[0]][:, chosen].astype(float), each], axis=1)
        after = np.concatenate([table[rows[1]][:, chosen], answers], axis=1).astype(float)
        weights, *_ = np.linalg.lstsq(known, after, rcond=None)
        wrong = np.abs(known @ weights - after).max(axis=0) > LINEAR * np.maximum(1.0, np.abs(after).max(axis=0))
        if wrong[len(chosen) :].any():
            return []
        if not wrong.any():
            return chosen
        chosen = [i for i, is_wrong in zip(chosen, wrong, strict=False) if not is_wrong]
    return []


def independent(table: np.ndarray) -> list[int]:
    """Returns the columns that are no linear combination of 1 and of the columns before."""
    columns = np.concatenate([np.ones((len(table), 1)), table.astype(float)], axis=1)
    scaled = columns / np.maximum(1.0, np.abs(columns).max(axis=0))
    chosen: list[int] = []
    basis = np.zeros((len(table), 0))
    for i, column in enumerate(scaled.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > 1e-7 * max(1.0, float(np.linalg.norm(column))):
            chosen.append(i)
            basis = np.column_stack([basis, rest / size])
    return [i - 1 for i in chosen if i]
