"""Answers of a target: what a machine or a function answers to items, as arrays, and when.

The answers of a function stand beside the items that they answer, and are due some cycles later;
those of a machine come when they come.
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
    """A target that is asked.

    Args:
        target: a machine, or a function.
        inputs: the neurons that read.
        names: of the answers.
        delays: how many cycles after its item each answer of a function is due.
        are_vvalues: whether a function's answers are V-values.
        as_read: an item as a function is given it.
    """

    target: Machine | Target
    inputs: Sequence[str]
    names: Sequence[str]
    delays: Sequence[int]
    are_vvalues: Callable[[], bool]
    as_read: Callable[[VValue], VValue]

    def to(self, items: Items) -> tuple[np.ndarray, Rows]:
        """The answers, those of a function beside the items that they answer.

        Args:
            items: V-values, one a cycle; ``{}`` is silence.

        Returns:
            An array, (answers, cycles), and no rows; where answers are V-values, (their
            coordinates, cycles), and which coordinates these are.

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
        """As :meth:`to`: for each cycle, a V-value for each answer."""
        array, rows = self.to(items)
        if not rows:
            return [tuple(column) for column in array.T.tolist()]
        coordinates: list[list] = [[] for _ in items]
        for (name, path), row in zip(rows, array.tolist(), strict=True):
            for t, x in enumerate(row):
                coordinates[t].append((name, path, x))
        return [tuple(from_paths((p, x) for n, p, x in each if n == name) for name in self.names) for each in coordinates]

    def when_due(self, items: Items) -> tuple[np.ndarray, Rows]:
        """As :meth:`to`, each answer of a function in the cycle in which it is due."""
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
        """What each neuron reads."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: values(items)}
        return {name: values(v.get(name, {}) if isinstance(v, dict) else {} for v in items) for name in self.inputs}

    def items_of(self, sample: Sample, silence: bool) -> Items:
        """The items of a string: the inverse of :meth:`streams`.

        Args:
            sample: a string.
            silence: whether a cycle without an item is silence; if not, among numbers it is 0.

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
