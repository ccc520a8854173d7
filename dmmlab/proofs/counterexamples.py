"""Counterexamples: short strings on which a machine errs, with its answers and the right ones."""

import contextlib
import html
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.engine import run
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.streams import Stream
from ..core.vvalues import VValue, number
from ..problems.items import LETTERS, Items
from ..problems.previews import item_text
from ..problems.problems import Problem
from ..pruning.rounding import EXACT
from ..pruning.samples import Sample, as_rows, coordinate_name

LENGTHS = range(1, 13)  # items of the strings that are drawn to find a short one
DRAWN = 12  # strings of each length
LONGEST = 2500  # cycles of a string that is tried, at most
AFTER = 3  # cycles that are shown after the first error


@dataclass(frozen=True)
class Counterexample:
    """A string on which a machine errs.

    ``items`` are V-values, one a cycle. ``answers`` and ``targets`` are (answers, cycles); targets
    are NaN where no answer is expected. If answers are V-values, each coordinate is a row.
    ``cycle`` is the first with a wrong answer. ``streams`` has the stream that each neuron reads,
    for an engine or a :class:`~dmmlab.explorers.stream_stepper.StreamStepper`.
    """

    machine: Machine
    sample: Sample
    items: Sequence[VValue]
    answers: np.ndarray
    targets: np.ndarray
    names: Sequence[str]

    @property
    def streams(self) -> Mapping[str, Stream]:
        """The stream that each neuron reads."""
        return self.sample.streams

    @cached_property
    def cycle(self) -> int:
        """The first cycle with a wrong answer."""
        return int(np.argmax(_wrong(self.answers, self.targets).any(axis=0)))

    @property
    def is_wrong(self) -> bool:
        """Whether an answer is wrong, in double precision."""
        return bool(_wrong(self.answers, self.targets).any())

    @property
    def worst(self) -> tuple[str, float, float]:
        """The most wrong answer in ``cycle``: its name, its value, the right value."""
        off = np.nan_to_num(np.abs(self.answers - self.targets)[:, self.cycle], nan=-1.0, posinf=np.inf)
        i = int(np.argmax(off))
        return self.names[i], float(self.answers[i, self.cycle]), float(self.targets[i, self.cycle])

    @property
    def text(self) -> str:
        """The string up to ``cycle``, as short text."""
        return "".join(t if len(t) == 1 else f" {t} " for t in map(item_text, self.items[: self.cycle + 1])).strip()

    def __str__(self) -> str:
        name, answer, right = self.worst
        which = f" for {name}" if len(self.names) > 1 else ""
        pairs = [(f"{answer:.{digits}g}", f"{right:.{digits}g}") for digits in (4, 8, 12)]
        told = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
        return f"on “{self.text}” it answers {told[0]}{which} in cycle {self.cycle}, where {told[1]} is right"

    def __repr__(self) -> str:
        rows = list(self._rows())
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return f"{self}\n{table}"

    def _repr_html_(self) -> str:
        cell = "text-align:right;padding:1px 12px 1px 0"
        body = ""
        for t, row in enumerate(self._rows(), -1):
            paint = ";background:#fbe3e0;color:#000" if t == self.cycle else ""
            tag = "th" if t < 0 else "td"
            body += f"<tr>{''.join(f'<{tag} style={chr(34)}{cell}{paint}{chr(34)}>{html.escape(c)}</{tag}>' for c in row)}</tr>"
        return f'<div>{html.escape(str(self))}<table style="margin:4px 0">{body}</table></div>'

    def _rows(self) -> Iterator[tuple[str, ...]]:
        yield "cycle", "item", *(title for name in self.names for title in (name, "right"))
        for t, item in enumerate(self.items):
            pairs = zip(self.answers[:, t], self.targets[:, t], strict=True)
            yield str(t), item_text(item), *(f"{x:.4g}" for pair in pairs for x in pair)


def counterexample(problem: Problem, machine: Machine, samples: Iterable[Sample] = (), seed: int = 0) -> Counterexample | None:
    """Searches for a short string on which a machine errs.

    Strings of one item are drawn first, then of two, and so on. The given strings follow, shortest
    first. The string is cut off soon after the first error.

    Args:
        problem: the problem.
        machine: the machine that answers.
        samples: strings to try if no short one is found, such as validation strings.
        seed: for the random numbers.

    Returns:
        The string with the answers; None if the machine is right on all strings tried.
    """
    for sample in (*short_strings(problem, seed), *sorted(samples, key=lambda sample: sample.cycles)):
        if sample.cycles > LONGEST:
            break
        _, answers, targets = _compared(problem, machine, sample)
        wrong = _wrong(answers, targets).any(axis=0)
        if wrong.any():
            end = min(int(np.argmax(wrong)) + 1 + AFTER, answers.shape[1])
            return on_string(problem, machine, problem.items_of(sample)[:end])
    return None


def on_string(problem: Problem, machine: Machine, items: Items) -> Counterexample:
    """Makes a counterexample of a string on which a machine is known to err.

    Args:
        problem: the problem.
        machine: the machine that answers.
        items: the items, one a cycle.

    Returns:
        The string, with answers and targets.
    """
    sample = problem.sample(items)
    names, answers, targets = _compared(problem, machine, sample)
    return Counterexample(machine, sample, items, answers, targets, names)


def short_strings(problem: Problem, seed: int = 0) -> Iterator[Sample]:
    """Draws strings of one item, then of two, and so on; skips those on which the target fails."""
    rng = random.Random(f"counterexample {seed}")
    silence: Items = [{}] * max(1, *problem.delays) if problem.silence else []
    for length in LENGTHS:
        for i in range(DRAWN):
            items = list(problem.draw(rng, LETTERS[: 2 + 2 * (i % 2)], length))
            if problem.silence and i % 3 == 2:
                items = [item for each in items for item in [each, *[{}] * rng.randrange(3)]]
            with contextlib.suppress(LabError):
                yield problem.sample([*items, *silence], f"{length} items")


def _compared(problem: Problem, machine: Machine, sample: Sample) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Returns names, answers of the tree engine (infinite after an error ends a run), targets."""
    given: list[list[VValue]] = []
    with contextlib.suppress(Exception):  # a number that is not finite, or any error of a user's neuron type
        streams = {name: stream for name, stream in sample.streams.items() if name in machine.neurons}
        for state in run(machine, streams, sample.cycles):
            given.append([state.arrived(f"output.{name}") for name in problem.answers])
    if sample.rows:
        rows, answers = as_rows(problem.answers, given)
        both = tuple(dict.fromkeys([*sample.rows, *rows]))
        answers, targets = sample._replace(targets=answers, rows=rows).targets_at(both), sample.targets_at(both)
        names = tuple(coordinate_name(name, path) for name, path in both)
    else:
        answers = np.array([[number(v) for v in row] for row in given], float).reshape(-1, len(problem.answers)).T
        names, targets = tuple(problem.answers), sample.targets
    missing = np.full((len(answers), sample.cycles - len(given)), np.inf)
    return names, np.concatenate([answers, missing], axis=1), targets


def _wrong(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return ~np.isnan(targets) & ~(np.abs(answers - targets) < EXACT)
