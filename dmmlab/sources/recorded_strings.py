"""Recorded strings: the strings of a table, and the target that repeats their answers."""

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import VValue
from ..problems.items import Items


@summarised
class Recorded(NamedTuple):
    """A string of a table, with the place of its first row; missing answers are NaN."""

    items: Items
    answers: np.ndarray  # (cycles, answers)
    name: str
    row: int

    def place(self, t: int) -> str:
        """Returns the place of item ``t`` in the table, in words."""
        return f"item {t + 1} of string {self.name!r}" if self.name else f"row {self.row + t + 1:,}"

    def _summary(self) -> tuple[str, Facts]:
        return f"Recorded: {plural(len(self.items), 'item')}", [("name", self.name or "none"), ("first row", self.row + 1)]


class RecordedAnswers:
    """A target that knows the answers in recorded strings, and in strings that begin like them.

    Args:
        strings: at least one string.
    """

    def __init__(self, strings: Sequence[Recorded]):
        self.strings = strings

    def __call__(self, items: Iterable[VValue]) -> Iterator[tuple[float, ...]]:
        """Yields the recorded answers, 0 where there is none."""
        for row in self.after(items):
            yield tuple(0.0 if x != x else x for x in row)

    def after(self, items: Iterable[VValue]) -> Iterator[tuple[float, ...]]:
        """Yields the recorded answers after each item; NaN where there is none."""
        node: int | None = 0
        nothing = (math.nan,) * self.strings[0].answers.shape[1]
        for item in items:
            node = None if node is None else self._tree.get((node, _key(item)))
            yield self._rows.get(node, nothing)

    def drawn(self, rng: random.Random, size: int) -> Items:
        """Draws recorded items: from a single string if one is long enough."""
        long = [each for each in self.strings if len(each.items) >= size]
        if long:
            return rng.choice(long).items[:size]
        items: Items = []
        while len(items) < size:
            items += rng.choice(self.strings).items
        return items[:size]

    def contradiction(self) -> str:
        """Says which two rows follow the same items and differ; empty if there are none."""
        first: dict[int, tuple[str, list[float]]] = {}
        for string, t, node in self._nodes():
            right = string.answers[t].tolist()
            place, other = first.setdefault(node, (string.place(t), right))
            if any(x != y and x == x and y == y for x, y in zip(right, other, strict=True)):
                both = f"{place} and {string.place(t)} come after the same items"
                return f"{both}, and have the answers {_shown(other)} and {_shown(right)}"
        return ""

    @cached_property
    def _tree(self) -> dict[tuple[int, Any], int]:
        """The prefix tree of all strings: (node, item) -> next node; the root is node 0."""
        nodes: dict[tuple[int, Any], int] = {}
        for string in self.strings:
            node = 0
            for item in string.items:
                node = nodes.setdefault((node, _key(item)), len(nodes) + 1)
        return nodes

    def _nodes(self) -> Iterator[tuple[Recorded, int, int]]:
        """Yields each string and cycle with the node after its item."""
        for string in self.strings:
            node = 0
            for t, item in enumerate(string.items):
                node = self._tree[node, _key(item)]
                yield string, t, node

    @cached_property
    def _rows(self) -> Mapping[int | None, tuple[float, ...]]:
        found: dict[int | None, tuple[float, ...]] = {}
        for string, t, node in self._nodes():
            found.setdefault(node, tuple(string.answers[t].tolist()))
        return found


def _key(item: VValue) -> Any:
    return tuple(sorted((k, _key(v)) for k, v in item.items())) if isinstance(item, dict) else float(item)


def _shown(row: Sequence[float]) -> str:
    return ", ".join(f"{x:g}" for x in row)
