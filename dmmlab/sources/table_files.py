"""Table files: reads CSV, Parquet and JSON lines; converts columns to V-values and answers."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import LabError, one_of, told
from ..core.summaries import plural
from ..core.vvalues import VValue

if TYPE_CHECKING:
    import pandas as pd

WORDS = 40  # distinct texts in one column, at most


def read_table(table: Any) -> tuple["pd.DataFrame", str]:
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


def items_of(frame: "pd.DataFrame", name: str, source: str) -> list[VValue]:
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


def answers_of(frame: "pd.DataFrame", name: str, source: str) -> dict[str, list[float]]:
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
