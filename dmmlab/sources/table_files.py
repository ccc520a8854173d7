"""Table files: reads CSV, Parquet and JSON lines, as strings of V-values with their answers."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import LabError, one_of, told
from ..core.summaries import plural
from ..core.vvalues import VValue
from ..problems.items import Items
from .recorded_strings import Recorded

if TYPE_CHECKING:
    import pandas as pd

WORDS = 40  # distinct texts in one column, at most


class Table(NamedTuple):
    """A table as strings, with the names of the answers, and the texts among the inputs.

    ``silence`` says whether an input is missing somewhere; ``source`` is the name for messages.
    """

    strings: list[Recorded]
    answers: tuple[str, ...]
    words: list[str]
    silence: bool
    source: str


def read_strings(table: Any, inputs: list[str], outputs: list[str], string: str | None) -> Table:
    """Reads a table as strings.

    Args:
        table: a pandas table, or the path of a CSV, Parquet or JSON lines file.
        inputs: the columns to read.
        outputs: the columns of the answers.
        string: the column that identifies strings; if None, all rows are one string.

    Returns:
        The strings, in the order of their first rows.

    Raises:
        LabError: an unreadable file, an unknown column, no input, output or row, an entry that is
            no item or no answer, or an answer that is the same in every row.
    """
    frame, source = _read(table)
    for name in (*inputs, *outputs, *([] if string is None else [string])):
        if name not in frame.columns:
            raise LabError(f"{source}: {one_of('column', name, list(map(str, frame.columns)))}")
    if not inputs or not outputs or not len(frame):
        raise LabError(f"{source}: expected at least one input, one output and one row")
    read = {name: _items(frame, name, source) for name in inputs}
    answers = {key: values for name in outputs for key, values in _answers(frame, name, source).items()}
    for name, values in answers.items():
        if len(known := {x for x in values if x == x}) < 2:
            what = f"is {next(iter(known)):g} in every row" if known else "is missing in every row"
            raise LabError(f"{source}: output {name!r} {what}: there is nothing to learn")
    items: Items = read[inputs[0]]
    if len(inputs) > 1:
        items = [{n: v for n, v in zip(inputs, each, strict=True) if v != {}} for each in zip(*read.values(), strict=True)]
    right = np.array(list(answers.values()), dtype=float).T
    rows: dict[str, list[int]] = {}
    for i, key in enumerate([""] * len(frame) if string is None else map(str, frame[string])):
        rows.setdefault(key, []).append(i)
    strings = [Recorded([items[i] for i in each], right[each], key, each[0]) for key, each in rows.items()]
    words = dict.fromkeys(key for v in read.values() for item in v if isinstance(item, dict) for key in item)
    return Table(strings, tuple(answers), list(words), any(v == {} for column in read.values() for v in column), source)


def _read(table: Any) -> tuple["pd.DataFrame", str]:
    """Reads a table, and returns it with its name for messages.

    Args:
        table: a pandas table, or the path of a CSV, Parquet or JSON lines file.

    Returns:
        The table, and its name.

    Raises:
        LabError: an unknown kind of file, or a file that cannot be read.
    """
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        return table, "the table"
    path = Path(table)
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}
    if path.suffix not in readers:
        raise LabError(f"{path}: {one_of('ending', path.suffix, readers)}")
    try:
        return readers[path.suffix](path), str(path)
    except FileNotFoundError:
        raise LabError(f"{path}: no such file") from None
    except ImportError as error:
        raise LabError(f"{path}: {told(error)}") from None
    except (ValueError, OSError) as error:
        raise LabError(f"{path}: cannot be read: {told(error)}") from None


def _is_numeric(frame: "pd.DataFrame", name: str) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(frame[name]) or is_bool_dtype(frame[name]))


def _items(frame: "pd.DataFrame", name: str, source: str) -> list[VValue]:
    """Converts an input column to V-values; a missing entry is silence.

    Args:
        frame: the table.
        name: the name of the column.
        source: the name of the table.

    Returns:
        A V-value for each row.

    Raises:
        LabError: a number that is not finite, or too many texts.
    """
    if _is_numeric(frame, name):
        numbers = frame[name].astype(float).tolist()
        for i, x in enumerate(numbers):
            if math.isinf(x):
                raise LabError(f"{source}: row {i + 1:,}, column {name!r}: {x} is no number to read")
        return [{} if x != x else int(x) if x == int(x) else x for x in numbers]
    texts = [None if x is None or x != x else str(x) for x in frame[name].tolist()]
    if len(words := {x for x in texts if x is not None}) > WORDS:
        raise LabError(
            f"{source}: column {name!r} has {plural(len(words), 'text')}: {WORDS} at most (is it meant to be numbers?)"
        )
    return [{} if x is None else {x: 1.0} for x in texts]


def _answers(frame: "pd.DataFrame", name: str, source: str) -> dict[str, list[float]]:
    """Converts an output column to answers; a column of texts gives an answer for each text.

    Args:
        frame: the table.
        name: the name of the column.
        source: the name of the table.

    Returns:
        For each answer name, a number for each row, NaN where it is missing.

    Raises:
        LabError: a number that is not finite, or too many texts.
    """
    if _is_numeric(frame, name):
        numbers = frame[name].astype(float).tolist()
        for i, x in enumerate(numbers):
            if math.isinf(x):
                raise LabError(f"{source}: row {i + 1:,}, column {name!r}: {x} is no answer")
        return {name: numbers}
    texts = [None if x is None or x != x else str(x) for x in frame[name].tolist()]
    words = sorted({x for x in texts if x is not None})
    if len(words) > WORDS:
        raise LabError(
            f"{source}: column {name!r} has {plural(len(words), 'text')}: {WORDS} at most (is it meant to be numbers?)"
        )
    return {f"{name}={word}": [math.nan if x is None else float(x == word) for x in texts] for word in words}
