"""Samples: strings with the right answers beside them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..core.streams import Stream
from ..core.summaries import Facts, plural, summarised


@summarised
class Sample(NamedTuple):
    """A string and its targets.

    ``streams`` has a stream for each neuron that reads; ``targets`` are (answers, cycles), NaN
    where nothing is asked; ``kind`` says in words what kind of string it is, and ``letters`` how
    many its alphabet has.
    """

    streams: Mapping[str, Stream]
    targets: np.ndarray
    kind: str
    letters: int = 0

    @property
    def cycles(self) -> int:
        """The number of its cycles."""
        return self.targets.shape[1]

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
