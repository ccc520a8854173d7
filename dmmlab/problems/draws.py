"""Draws: functions that draw the items of a string at random."""

import random
from collections.abc import Callable, Sequence

from ..core.vvalues import VValue

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789+-*/"  # up to 40 of them are drawn

Items = list[VValue]
Draw = Callable[[random.Random, str, int], Items]  # (random generator, letters, count) -> items


def text(marks: str = "") -> Draw:
    """Returns a draw of letters and marks, all equally likely.

    Args:
        marks: characters besides the letters.

    Returns:
        A function for :class:`Problem`'s ``draw``.
    """
    return lambda rng, letters, size: [{rng.choice(letters + marks): 1.0} for _ in range(size)]


def one_of_these(items: Sequence[VValue]) -> Draw:
    """Returns a draw of these items, all equally likely; see :func:`text`."""
    return lambda rng, letters, size: [rng.choice(items) for _ in range(size)]


ANY_LETTERS = text()  # the default draw
