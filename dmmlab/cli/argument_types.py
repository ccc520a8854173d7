"""Parsers of command-line arguments: numbers, times, widths, seeds, values."""

import argparse
import contextlib
from collections.abc import Callable
from typing import Any


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Returns a parser of whole numbers from ``low`` to ``high``."""

    most = f"{high:,}" if high > 9999 else str(high)

    def read(text: str) -> int:
        with contextlib.suppress(ValueError):
            if low <= int(text) <= high:
                return int(text)
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {low} to {most}")

    return read


WHOLE = whole_number(1, 10_000_000)
SEED = whole_number(0, 2**32 - 1)


def seconds(text: str) -> float:
    """Parses a time in seconds."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds above 0")


def seed_range(text: str) -> range:
    """Parses a range of seeds, ``A:B`` or one seed."""
    first, colon, end = text.partition(":")
    with contextlib.suppress(ValueError):
        seeds = range(int(first), int(end) if colon else int(first) + 1)
        if len(seeds) and seeds.start >= 0 and seeds.stop <= 2**32:
            return seeds
    raise argparse.ArgumentTypeError(f"{text!r}: expected A:B, whole numbers from 0 on, the second larger")


def alphabet(text: str) -> tuple[int, ...]:
    """Parses a range of items, ``A:B``."""
    first, colon, end = text.partition(":")
    with contextlib.suppress(ValueError):
        items = range(int(first), int(end) if colon else int(first) + 1)
        if 1 < len(items) <= 10_000:
            return tuple(items)
    raise argparse.ArgumentTypeError(f"{text!r}: expected A:B, whole numbers, for 2 to 10,000 items")


def column_names(text: str) -> list[str]:
    """Parses names of columns, separated by commas."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r}: expected names of columns, with commas between them")
    return names


def tolerance(text: str) -> float:
    """Parses an error tolerance."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")


def values_of(text: str) -> tuple[str, list[Any]]:
    """Parses a setting and its values, ``name=value,value``."""
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise argparse.ArgumentTypeError(f"{text!r}: expected name=value,value")
    return name, [_value(each) for each in values.split(",")]


def _value(text: str) -> Any:
    """Parses a number, True or False, or a word."""
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return {"True": True, "False": False}.get(text, text)


def centimetres(text: str) -> float:
    """Parses a width in centimetres."""
    with contextlib.suppress(ValueError):
        if 0.5 <= float(text) <= 500:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a number of centimetres from 0.5 to 500")
