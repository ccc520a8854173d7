"""Samples: strings with the right answers, and the questions that they are samples of.

The code that trains and prunes gets all strings from a :class:`Question`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.streams import Stream
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import Path, VValue, paths, show_path

Rows = Sequence[tuple[str, Path]]  # coordinates of V-values: the name of an answer, and a path in it


def as_rows(names: Sequence[str], answers: Sequence[Sequence[VValue]]) -> tuple[Rows, np.ndarray]:
    """Converts V-values to an array.

    Args:
        names: the names of the answers.
        answers: for each cycle, a V-value for each answer.

    Returns:
        The coordinates: first the scalar part of each answer, then all others that occur; and an
        array (coordinates, cycles).
    """
    places: dict[tuple[str, Path], int] = {(name, ()): i for i, name in enumerate(names)}
    entries = []
    for t, each in enumerate(answers):
        for name, v in zip(names, each, strict=True):
            for path, leaf in paths(v):
                entries.append((places.setdefault((name, path), len(places)), t, float(leaf)))
    array = np.zeros((len(places), len(answers)))
    for row, t, leaf in entries:
        array[row, t] += leaf
    return tuple(places), array


def coordinate_name(name: str, path: Path) -> str:
    """Returns a coordinate of an answer as text: ``next/a``, or ``next`` for the scalar part."""
    return show_path((name, *path))


@summarised
class Sample(NamedTuple):
    """A string and its targets.

    ``streams`` has a stream for each neuron that reads. ``targets`` are (answers, cycles), NaN
    where there is no target. ``kind`` describes the kind of string, and ``letters`` is the size of
    its alphabet. If answers are whole V-values, ``rows`` has the coordinate (answer and path) of
    each row of the targets; all other coordinates are zero.
    """

    streams: Mapping[str, Stream]
    targets: np.ndarray
    kind: str
    letters: int = 0
    rows: Rows = ()

    @property
    def cycles(self) -> int:
        """The number of cycles."""
        return self.targets.shape[1]

    def targets_at(self, rows: Rows) -> np.ndarray:
        """Returns the targets at these coordinates, (rows, cycles), if answers are V-values."""
        mine = dict(zip(self.rows, self.targets, strict=True))
        return np.stack([mine.get(row, np.zeros(self.cycles)) for row in rows])

    def beyond(self, rows: Rows) -> dict[tuple[str, Path], np.ndarray]:
        """Returns the targets at all other coordinates, (cycles,) each, without those all zero."""
        others = dict(zip(self.rows, self.targets, strict=True))
        return {row: targets for row, targets in others.items() if row not in set(rows) and np.any(targets)}

    def agrees_with(self, other: "Sample") -> bool:
        """Whether one of two strings begins with the other."""
        cycles = min(self.cycles, other.cycles)
        return all(
            {t: v for t, v in stream.events.items() if t < cycles}
            == {t: v for t, v in other.streams[name].events.items() if t < cycles}
            for name, stream in self.streams.items()
        )

    def _summary(self) -> tuple[str, Facts]:
        facts = {"letters": self.letters, "answers": self.targets.shape[0], "targets": self.targets[:, -4:].tolist()}
        reads = {f"{name} reads": plural(len(stream.events), "item") for name, stream in self.streams.items()}
        return f"Sample: {plural(self.cycles, 'cycle')}, {self.kind}", [*reads.items(), *facts.items()]


class Question(Protocol):
    """A question for a network, such as a :class:`~dmmlab.problems.problems.Problem`.

    ``answers`` are the names of the output's inputs, ``inputs`` those of the neurons that read.
    """

    @property
    def question(self) -> str:
        """The question in words."""

    @property
    def answers(self) -> Sequence[str]:
        """The names of the answers."""

    @property
    def inputs(self) -> Sequence[str]:
        """The names of the neurons that read."""

    @property
    def network(self) -> Any:
        """The default starting network."""

    def training(self, seed: int) -> list[Sample]:
        """Returns training strings."""

    def validation(self, *, apart_from: Sequence[Sample] = (), lengths: Sequence[int] = ...) -> list[Sample]:
        """Returns strings to select among machines; none begins like one of ``apart_from``."""

    def test(self, seed: int, *, apart_from: Sequence[Sample] = ()) -> list[Sample]:
        """Returns strings for the final test; they select nothing."""
