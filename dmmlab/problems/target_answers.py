"""Answers of a target: the answers of a machine or a function to items, as arrays, with timing.

A function answers each item in the item's own cycle; the answer is due some cycles later. A
machine's answers keep the cycles in which the machine gives them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.machine import Machine
from ..core.streams import Stream, values
from ..core.vvalues import VValue, from_paths
from ..pruning.samples import Rows, Sample, as_rows
from .draws import Items
from .target_rows import Target, checked, numbers_of, rows_of
from .teachers import Teacher


@dataclass(frozen=True)
class TargetAnswers:
    """Computes the answers of a target.

    Args:
        target: a machine, or a function.
        inputs: the neurons that read.
        names: the names of the answers.
        delays: for each answer of a function, the number of cycles after its item when it is due.
        are_vvalues: says whether a function's answers are V-values.
        as_read: converts an item to the form that a function reads.
    """

    target: Machine | Target
    inputs: Sequence[str]
    names: Sequence[str]
    delays: Sequence[int]
    are_vvalues: Callable[[], bool]
    as_read: Callable[[VValue], VValue]

    def to(self, items: Items) -> tuple[np.ndarray, Rows]:
        """Returns the answers; a function's answers are not delayed.

        Args:
            items: V-values, one a cycle; ``{}`` is silence.

        Returns:
            An array (answers, cycles), and no rows. If answers are V-values, an array (their
            coordinates, cycles), and rows that identify the coordinates.

        Raises:
            LabError: the target yields no finite numbers, or not as many as there are answers.
        """
        if isinstance(self.target, Machine):
            return self._teacher.answers(self.streams(items), len(items)), ()
        given = rows_of(self.target, self.names, list(map(self.as_read, items)))
        if self.are_vvalues():
            rows, array = as_rows(self.names, [checked(row, self.names, t) for t, row in enumerate(given)])
            return array, rows
        return numbers_of(given, self.names), ()

    def vvalues(self, items: Items) -> list[tuple[VValue, ...]]:
        """Returns the answers of :meth:`to` as V-values: a tuple of them for each cycle."""
        array, rows = self.to(items)
        if not rows:
            return [tuple(column) for column in array.T.tolist()]
        coordinates: list[list] = [[] for _ in items]
        for (name, path), row in zip(rows, array.tolist(), strict=True):
            for t, x in enumerate(row):
                coordinates[t].append((name, path, x))
        return [tuple(from_paths((p, x) for n, p, x in each if n == name) for name in self.names) for each in coordinates]

    def when_due(self, items: Items) -> tuple[np.ndarray, Rows]:
        """Returns the answers of :meth:`to`, but a function's answers in the cycles when due."""
        answers, rows = self.to(items)
        if isinstance(self.target, Machine):
            return answers, rows
        delays = [self.delays[list(self.names).index(name)] for name, _ in rows] if rows else self.delays
        late = [
            np.concatenate([np.zeros(min(d, len(items))), row[: max(0, len(items) - d)]])
            for row, d in zip(answers, delays, strict=True)
        ]
        return np.stack(late), rows

    def streams(self, items: Items) -> dict[str, Stream]:
        """Returns the stream that each neuron reads."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: values(items)}
        return {name: values(v.get(name, {}) if isinstance(v, dict) else {} for v in items) for name in self.inputs}

    def items_of(self, sample: Sample, silence: bool) -> Items:
        """Returns the items of a string: the inverse of :meth:`streams`.

        Args:
            sample: a string.
            silence: whether a cycle without an item is silence; if not, it is 0 among numbers.

        Returns:
            The items, one a cycle; ``{}`` is silence.
        """
        events = {name: sample.streams[name].events for name in self.inputs}
        if len(events) == 1:
            mine = events[self.inputs[0]]
            are_numbers = not silence and not any(v for v in mine.values() if isinstance(v, dict))
            return [mine.get(t) or (0.0 if are_numbers else {}) for t in range(sample.cycles)]
        return [{name: each[t] for name, each in events.items() if t in each} for t in range(sample.cycles)]

    @cached_property
    def _teacher(self) -> Teacher:
        assert isinstance(self.target, Machine)
        return Teacher(self.target, self.inputs, self.names)
