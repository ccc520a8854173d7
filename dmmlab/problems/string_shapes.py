"""Shapes of strings: the cycles in which an item comes, and the size of the alphabet.

The problem draws the items themselves (:class:`~dmmlab.problems.problems.Problem`).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..core.errors import LabError
from .items import LETTERS

DENSITIES = (0.2, 0.4, 0.7, 1.0)  # items per cycle, in training strings
VALIDATION_LENGTHS = (14, 200, 2000)  # items
TEST_LENGTHS = (30, 300, 3000)  # items
ALPHABETS = (8, 40)  # letters, in validation and test strings
TIMINGS = ("dense", "one in ten cycles", "random gaps")


class Shape(NamedTuple):
    """The shape of a string: letters; a draw of whether each cycle has an item; a description."""

    letters: str
    present: Callable[[], list[bool]]
    kind: str


def training_shapes(
    rng: random.Random, strings: int, cycles: int, letters: int, silence: bool, every: int = 0
) -> Iterator[Shape]:
    """Yields the shapes of short strings of several densities.

    Args:
        rng: draws the cycles.
        strings: the number of strings.
        cycles: the number of cycles in each.
        letters: the size of their alphabet.
        silence: whether there are cycles without an item.
        every: if not 0, an item comes once in ``every`` cycles instead.

    Yields:
        A shape for each string.

    Raises:
        LabError: no strings, cycles or letters, or more letters than the lab has.
    """
    if min(strings, cycles) < 1 or every < 0 or not 0 < letters <= len(LETTERS):
        raise LabError(
            f"{strings} strings, {cycles} cycles, {letters} letters: expected 1 or more, {len(LETTERS)} letters at most"
        )
    if every:
        regular = [t % every == 0 for t in range(cycles)]
        yield from [Shape(LETTERS[:letters], lambda: regular, f"{letters} letters, one item in {every} cycles")] * strings
        return
    for i in range(strings):
        density = DENSITIES[i % len(DENSITIES)] if silence else 1.0

        def present(density: float = density) -> list[bool]:
            return [rng.random() < density for _ in range(cycles)]

        yield Shape(LETTERS[:letters], present, f"{letters} letters, density {density}")


def unseen_shapes(rng: random.Random, lengths: Sequence[int], letters: Sequence[int], silence: bool) -> Iterator[Shape]:
    """Yields the shapes of longer strings, with three timings and several alphabets.

    Args:
        rng: draws the gaps.
        lengths: items per string; there are more strings of the shorter lengths.
        letters: the alphabet sizes.
        silence: whether there are cycles without an item.

    Yields:
        A shape for each string.

    Raises:
        LabError: invalid lengths or alphabet sizes.
    """
    if min(*letters, *lengths, 1) < 1 or max(letters) > len(LETTERS):
        raise LabError(f"letters {letters}, lengths {lengths}: expected 1 or more, and {len(LETTERS)} letters at most")
    gaps = {"dense": lambda: 0, "one in ten cycles": lambda: 9, "random gaps": lambda: rng.randrange(12)}
    for alphabet in letters:
        for length in lengths:
            for timing in TIMINGS if silence else TIMINGS[:1]:

                def present(length: int = length, timing: str = timing) -> list[bool]:
                    return [here for _ in range(length) for here in [*[False] * gaps[timing](), True]]

                kind = f"{length} items, {timing}, {alphabet} letters"
                yield from [Shape(LETTERS[:alphabet], present, kind)] * max(1, min(8, 200 // length))
