"""Draws: how the items of a string are drawn."""

import random
from collections.abc import Callable, Sequence

from ..core.vvalues import VValue

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789+-*/"  # up to 40 of them are drawn

Items = list[VValue]
Draw = Callable[[random.Random, str, int], Items]  # (random numbers, letters, how many) -> items


def text(marks: str = "") -> Draw:
    """Draws letters and marks, all equally likely.

    Args:
        marks: characters beside the letters.

    Returns:
        A function for :class:`Problem`'s ``draw``.
    """
    return lambda rng, letters, size: [{rng.choice(letters + marks): 1.0} for _ in range(size)]


def one_of_these(items: Sequence[VValue]) -> Draw:
    """Draws items, all equally likely; as :func:`text`."""
    return lambda rng, letters, size: [rng.choice(items) for _ in range(size)]


ANY_LETTERS = text()  # what is drawn where nothing is said
