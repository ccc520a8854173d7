"""Types of command-line arguments: how a text is read, and how ``--help`` writes it."""

import argparse
import contextlib
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

T = TypeVar("T")


class Argument(NamedTuple):
    """What ``Annotated[type, Argument(...)]`` says of a command-line argument beside its type.

    ``metavar`` is its name in ``--help``, or a name for each of its texts; ``read`` reads a text;
    ``flag`` and ``help`` are set where they are not those of the parameter; another ``exclusive``
    argument of the same command excludes it.
    """

    metavar: str | tuple[str, ...] | None = None
    read: Callable[[str], Any] | None = None
    flag: str = ""
    help: str = ""
    exclusive: bool = False


def checked(read: Callable[[str], T], accept: Callable[[T], object], expected: str) -> Callable[[str], T]:
    """Returns a function that reads a text and checks the value.

    Args:
        read: reads a text; may raise ValueError.
        accept: whether a value is accepted.
        expected: what is accepted, in words.

    Returns:
        The function; it raises an error of argparse.
    """

    def parse(text: str) -> T:
        with contextlib.suppress(ValueError):
            if accept(value := read(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")

    return parse


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Returns a function that reads a whole number from ``low`` to ``high``."""
    most = f"{high:,}" if high > 9999 else str(high)
    return checked(int, lambda n: low <= n <= high, f"a whole number from {low} to {most}")


def _whole_numbers(text: str) -> range:
    first, colon, end = text.partition(":")
    return range(int(first), int(end) if colon else int(first) + 1)


def _are_seeds(seeds: range) -> bool:
    return len(seeds) > 0 and seeds.start >= 0 and seeds.stop <= 2**32


def _is_above_0(x: float) -> bool:
    return 0 < x < float("inf")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _setting(text: str) -> tuple[str, list[Any]]:
    name, equals, values = text.partition("=")
    return name, [_value(each) for each in values.split(",")] if equals and values else []


def _value(text: str) -> Any:
    """Reads a number, True or False, or a word."""
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return {"True": True, "False": False}.get(text, text)


Exclusive = Annotated[bool, Argument(exclusive=True)]
Json = Annotated[bool, Argument(flag="--json", help="print one JSON object and nothing else")]
MachineName = Annotated[
    str,
    Argument(
        "MACHINE",
        help="a machine's JSON file, or its program in a .dmm file; the folder of a synthesis; or 'handcrafted' or "
        "'published' for the duplicate detectors of the journal",
    ),
]
Text = Annotated[str, Argument("S")]
Folder = Annotated[str, Argument("DIR")]
File = Annotated[str, Argument("FILE")]
Neuron = Annotated[str, Argument("NEURON")]
Scheduler = Annotated[str, Argument("ADDRESS", exclusive=True)]
DrawAs = Annotated[Literal["circuit", "bundle", "matrix"], Argument(flag="--as")]
Parameter = Annotated[tuple[str, str], Argument(("NAME", "VALUE"), flag="-p")]
Setting = Annotated[tuple[str, list[Any]], Argument("NAME=VALUE,...", checked(_setting, all, "name=value,value"), "--set")]
Whole = Annotated[int, Argument("N", whole_number(1, 10_000_000))]
Cycles = Annotated[int, Argument("T", whole_number(1, 10_000_000))]
Period = Annotated[int, Argument("P", whole_number(1, 10_000_000))]
Seed = Annotated[int, Argument("K", whole_number(0, 2**32 - 1))]
Jobs = Annotated[int, Argument("N", whole_number(1, 100), exclusive=True)]
Restarts = Annotated[int, Argument("N", whole_number(1, 1000))]
Rounds = Annotated[int, Argument("N", whole_number(0, 100))]
Digits = Annotated[int, Argument("N", whole_number(0, 9))]
AllDigits = Annotated[int, Argument("N", whole_number(0, 17))]
Dpi = Annotated[int, Argument("N", whole_number(10, 2400))]
Seconds = Annotated[float, Argument("SECONDS", checked(float, _is_above_0, "a number of seconds above 0"))]
Tolerance = Annotated[float, Argument("X", checked(float, _is_above_0, "a number above 0"))]
Centimetres = Annotated[
    float, Argument("CM", checked(float, lambda x: 0.5 <= x <= 500, "a number of centimetres from 0.5 to 500"))
]
Seeds = Annotated[
    range,
    Argument("A:B", checked(_whole_numbers, _are_seeds, "A:B, whole numbers from 0 on, the second larger")),
]
Alphabet = Annotated[
    range,
    Argument(
        "A:B", checked(_whole_numbers, lambda items: 1 < len(items) <= 10_000, "A:B, whole numbers, for 2 to 10,000 items")
    ),
]
Columns = Annotated[list[str], Argument("NAMES", checked(_names, all, "names of columns, with commas between them"))]
