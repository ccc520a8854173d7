"""Rows of a target: runs a user's function, checks its answers, makes an array of numbers.

A row has the answers to one item. They are numbers, or V-values.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np

from ..core.errors import LabError, one_line, told
from ..core.summaries import plural
from ..core.vvalues import VValue, VValueError, check
from .items import Items

Function = Callable[[Iterable[VValue]], Iterable[VValue | Sequence[VValue]]]
Row = Sequence[VValue]


def rows_of(target: Function, names: Sequence[str], items: Items) -> list[Row]:
    """Runs the target on these items, and returns a row of answers for each.

    Rows are copied at once, because a target may change an object after yielding it.

    Args:
        target: a function of the V-values of a stream.
        names: the names of the answers.
        items: the items, one a cycle.

    Returns:
        The rows. Those with trees are checked.

    Raises:
        LabError: the numbers of rows and items differ, or a row of trees is invalid.
    """
    rows: list[Row] = []
    try:
        for t, given in enumerate(islice(target(items), len(items) + 1)):
            if isinstance(given, float | int):  # the fast path: there are hundreds of thousands
                rows.append((given,))
                continue
            row = (given,) if isinstance(given, dict) or np.ndim(given) == 0 else tuple(given)
            rows.append(checked(row, names, t) if has_trees(row) else row)
    except LabError:
        raise
    except (TypeError, ValueError) as error:
        raise LabError(f"the target must yield numbers, as many in each cycle: {one_line(error)}{_silence(items)}") from error
    except Exception as error:
        raise LabError(f"the target raises {told(error)}{_silence(items)}") from error
    if len(rows) != len(items):
        count = f"{len(rows)} answers" if len(rows) < len(items) else "more answers than items"
        raise LabError(f"the target gives {count}: expected {len(items)}, one for each item")
    return rows


def _silence(items: Items) -> str:
    return "; {} is a cycle without an item: a problem with silence=False has none" if {} in items else ""


def has_trees(row: Row) -> bool:
    """Returns whether an answer is a dict."""
    return any(isinstance(v, dict) for v in row)


def checked(row: Row, names: Sequence[str], t: int) -> list[VValue]:
    """Returns the answers of cycle ``t`` as V-values in canonical form.

    Args:
        row: the answers, one for each name.
        names: the names of the answers.
        t: the cycle, for error messages.

    Returns:
        The answers.

    Raises:
        LabError: the wrong number of answers, or one that is no V-value.
    """
    if len(row) != len(names):
        raise LabError(f"the target gives {plural(len(row), 'answer')} in cycle {t}: expected {len(names)}")
    try:
        return [check(v, (name,)) for name, v in zip(names, row, strict=True)]
    except VValueError as error:
        raise LabError(f"the target in cycle {t}: {error}") from None


def numbers_of(rows: Sequence[Row], names: Sequence[str]) -> np.ndarray:
    """Returns rows of numbers as an array.

    Args:
        rows: the rows, one for each cycle.
        names: the names of the answers.

    Returns:
        An array (answers, cycles).

    Raises:
        LabError: a row has a tree, the wrong number of answers, or a number that is not finite.
    """
    try:
        array = np.array(rows, dtype=float).T
    except (TypeError, ValueError) as error:
        for t, row in enumerate(rows):
            if has_trees(row):
                raise LabError(
                    f"the target yields a V-value in cycle {t}, and numbers alone in strings such as those to learn from: "
                    "let it yield V-values there, too, such as {}"
                ) from None
        raise LabError(f"the target must yield numbers, as many in each cycle: {error}") from error
    if not np.isfinite(array).all():
        t = int(np.argmin(np.isfinite(array).all(axis=0)))
        raise LabError(f"the target is not finite in cycle {t}: {', '.join(map(str, array[:, t].tolist()))}")
    if array.shape != (len(names), len(rows)):
        raise LabError(f"the target gave answers of shape {array.shape}: expected {(len(names), len(rows))}")
    return array
