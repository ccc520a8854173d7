"""Items: how the items of a string are drawn, and what neurons and targets read of them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..core.streams import Stream, values
from ..core.vvalues import VValue
from ..pruning.samples import Sample

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789+-*/"  # up to 40 of them are drawn
TRIAL_ITEMS = 100  # items that are drawn to see which inputs read only numbers

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


@dataclass(frozen=True)
class Reader:
    """Converts items to what neurons and targets read.

    Args:
        inputs: the neurons that read; if there are several, an item is ``{neuron: V-value}``.
        silence: whether there are cycles without an item.
        alphabet: all possible items; empty if they are not known.
        draw: draws items, if there is no alphabet.
    """

    inputs: Sequence[str]
    silence: bool
    alphabet: Sequence[VValue]
    draw: Draw

    def by_neuron(self, item: VValue) -> dict[str, VValue]:
        """Returns the part of an item that each reading neuron reads, by neuron."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: item}
        return {name: item.get(name, 0) if isinstance(item, dict) else 0 for name in self.inputs}

    def as_read(self, item: VValue) -> VValue:
        """Returns an item as a function reads it (:meth:`Problem.as_read`)."""
        if (self.silence and (len(self.inputs) == 1 or not item)) or not self._of_numbers:
            return dict(item) if isinstance(item, dict) else item  # a target may change what it reads
        read = {n: _whole(v) if n in self._of_numbers else v or {} for n, v in self.by_neuron(item).items()}
        return read[self.inputs[0]] if len(self.inputs) == 1 else read

    @cached_property
    def _of_numbers(self) -> frozenset[str]:
        """The inputs that read only numbers."""
        items = self.alphabet or self.draw(random.Random("numbers"), "abc", TRIAL_ITEMS)
        read = [self.by_neuron(item) for item in items if item != {}]
        return frozenset(n for n in self.inputs if read and not any(isinstance(each[n], dict) and each[n] for each in read))

    def streams(self, items: Items) -> dict[str, Stream]:
        """Returns the stream that each neuron reads."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: values(items)}
        return {name: values(v.get(name, {}) if isinstance(v, dict) else {} for v in items) for name in self.inputs}

    def items_of(self, sample: Sample) -> Items:
        """Returns the items of a string, one a cycle: the inverse of :meth:`streams`.

        Without silence, a cycle that has no item has the item 0 among numbers.
        """
        events = {name: sample.streams[name].events for name in self.inputs}
        if len(events) == 1:
            mine = events[self.inputs[0]]
            are_numbers = not self.silence and not any(v for v in mine.values() if isinstance(v, dict))
            return [mine.get(t) or (0.0 if are_numbers else {}) for t in range(sample.cycles)]
        return [{name: each[t] for name, each in events.items() if t in each} for t in range(sample.cycles)]


def _whole(x: VValue) -> VValue:
    """Returns a whole number as an int, and the zero V-value as 0."""
    if isinstance(x, dict):
        return x or 0
    return int(x) if type(x) is not int and x == x // 1 else x
