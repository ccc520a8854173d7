"""Samples: strings with the right answers beside them, and what they are samples of.

Nothing that trains or prunes knows where strings come from: it asks a :class:`Question` for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.streams import Stream
from ..core.summaries import Facts, plural, summarised
from ..core.vvalues import Path, VValue, paths, show_path

Rows = Sequence[tuple[str, Path]]  # coordinates of V-values: the name of an answer, and a path in it


def as_rows(names: Sequence[str], answers: Sequence[Sequence[VValue]]) -> tuple[Rows, np.ndarray]:
    """V-values as an array.

    Args:
        names: of the answers.
        answers: for each cycle, a V-value for each of them.

    Returns:
        The scalar part of each, then the other coordinates that any has; and an array (coordinates,
        cycles).
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
    """A coordinate of an answer in words: ``next/a``, or ``next`` for its scalar part."""
    return show_path((name, *path))


@summarised
class Sample(NamedTuple):
    """A string and its targets.

    ``streams`` has a stream for each neuron that reads; ``targets`` are (answers, cycles), NaN
    where nothing is asked; ``kind`` says in words what kind of string it is, and ``letters`` how
    many its alphabet has. Where answers are whole V-values, ``rows`` says which coordinate of which
    answer each row of the targets is; others are zero.
    """

    streams: Mapping[str, Stream]
    targets: np.ndarray
    kind: str
    letters: int = 0
    rows: Rows = ()

    @property
    def cycles(self) -> int:
        """The number of its cycles."""
        return self.targets.shape[1]

    def targets_at(self, rows: Rows) -> np.ndarray:
        """The targets at these coordinates, (rows, cycles), where answers are whole V-values."""
        mine = dict(zip(self.rows, self.targets, strict=True))
        return np.stack([mine.get(row, np.zeros(self.cycles)) for row in rows])

    def beyond(self, rows: Rows) -> dict[tuple[str, Path], np.ndarray]:
        """The targets at other coordinates, (cycles,) each, where they are not all zero."""
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
    """What a network is trained to answer; :class:`~dmmlab.problems.problems.Problem` is one.

    ``answers`` are the names of the output's inputs, ``inputs`` those of the neurons that read.
    """

    @property
    def question(self) -> str:
        """What is asked, in words."""

    @property
    def answers(self) -> Sequence[str]:
        """The names of the answers."""

    @property
    def inputs(self) -> Sequence[str]:
        """The names of the neurons that read."""

    @property
    def network(self) -> Any:
        """Where to start, if nothing is said."""

    def training(self, seed: int) -> list[Sample]:
        """Strings to learn from."""

    def validation(self, *, apart_from: Sequence[Sample] = (), lengths: Sequence[int] = ...) -> list[Sample]:
        """Strings that choose among machines; none begins as one of ``apart_from`` does."""

    def test(self, seed: int, *, apart_from: Sequence[Sample] = ()) -> list[Sample]:
        """Strings that choose nothing."""
