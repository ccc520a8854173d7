"""Examples: a table of recorded strings as a problem.

Each row of a table has the inputs of one cycle, and the right answers to them. The rows with the
same entry in a column, such as ``run``, form a string, in their order. A number is a number; a text
is a letter (the V-value ``{text: 1.0}``). A missing input is a cycle without an item; a missing
output is not scored.

The source of the rows is unknown. Strings are divided: 60% for training, 20% for validation, 20%
for testing; if there are fewer than ten, each is divided by time. A machine is judged by the test
rows only (:class:`Judged`); nothing is claimed about all strings.
"""

import math
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from ..compiler.compilation import compile_machine
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.summaries import Facts, names as listed, plural, summarised
from ..machines.exact_steps import ExactMachine, InexactError
from ..problems.items import Items
from ..problems.problems import Problem
from ..pruning.evaluation import all_keys
from ..pruning.samples import Sample
from .recorded_strings import Recorded, RecordedAnswers
from .table_files import read_strings

if TYPE_CHECKING:
    import pandas as pd

SHARES = (0.6, 0.8)  # of the strings, or of time: training ends at the first, validation at the second
NEARLY = 1e-9  # the largest error of a right answer
FEWEST_STRINGS = 10  # fewer strings than this are divided by time
TRAINING_STRINGS, TRAINING_ITEMS = 16, 120  # strings in training, and items of each, at most
JUDGED_ROWS = 20_000  # rows after which no further string is judged
IN_FRACTIONS = 5000  # rows on which a machine is run in fractions, at most


@summarised
class Judged(NamedTuple):
    """The errors of a machine on rows: (rows, answers), NaN where no answer is recorded."""

    errors: np.ndarray
    first_wrong: str  # the place of the first wrong row; empty if there is none

    @property
    def rows(self) -> int:
        """The number of rows with at least one recorded answer."""
        return int((~np.isnan(self.errors)).any(axis=1).sum())

    def share(self, tolerance: float = NEARLY) -> float:
        """Returns the share of rows with all answers within a tolerance."""
        asked = ~np.isnan(self.errors)
        wrong = (np.nan_to_num(np.abs(self.errors)) > tolerance).any(axis=1)
        return 1.0 - float(wrong.sum()) / max(1, int(asked.any(axis=1).sum()))

    def _summary(self) -> tuple[str, Facts]:
        facts = [("right", f"{self.share():.1%}"), ("first wrong", self.first_wrong or "none")]
        return f"Judged: {plural(self.rows, 'row')}", facts


@summarised
@dataclass(frozen=True)
class Examples(Problem):
    """Recorded strings as a problem; make it with :meth:`from_table`.

    Args:
        target: repeats the recorded answers.
        source: the file that they come from, for messages.
        tolerance: the largest error allowed in an answer; estimated if left out.
    """

    target: RecordedAnswers
    source: str = "the table"
    tolerance: float | None = None
    is_recorded = True

    @classmethod
    def from_table(
        cls,
        table: "pd.DataFrame | str | os.PathLike",
        inputs: Sequence[str],
        outputs: Sequence[str],
        string: str | None = None,
        tolerance: float | None = None,
    ) -> "Examples":
        """Makes a problem from a table.

        Args:
            table: a pandas table, or the path of a CSV, Parquet or JSON lines file.
            inputs: the columns to read.
            outputs: the columns of the answers. A column of texts becomes a column ``name=text`` of
                0 and 1 for each text.
            string: the column that identifies strings; if left out, all rows are one string.
            tolerance: the largest error allowed in an answer; if left out, zero for whole numbers,
                and estimated for other numbers.

        Returns:
            The problem.

        Raises:
            LabError: an unreadable file, an unknown column, a number that is not finite, or an
                answer that is the same in every row; or two rows follow the same items and have
                different answers.
        """
        read = read_strings(table, list(inputs), list(outputs), string)
        target = RecordedAnswers(read.strings)
        problem = cls(
            f"What are {', '.join(map(repr, read.answers))} after {', '.join(map(repr, inputs))}?",
            target,
            draw=lambda rng, letters, size: target.drawn(rng, size),
            constants={f"letter-{word}": {word: 1.0} for word in read.words},
            answers=read.answers,
            inputs=("input",) if len(inputs) == 1 else tuple(inputs),
            silence=read.silence,
            longest=max(len(each.items) for each in read.strings),
            source=read.source,
            tolerance=tolerance,
        )
        if problem.is_whole and tolerance is None and (contradiction := target.contradiction()):
            raise LabError(f"{read.source}: {contradiction}: no machine can give both (a tolerance allows for noise)")
        return problem

    @property
    def strings(self) -> Sequence[Recorded]:
        """All strings."""
        return self.target.strings

    def training(self, seed: int, *_: Any, **__: Any) -> list[Sample]:
        """Returns training strings, long ones cut short; arguments except ``seed`` are ignored."""
        chosen = random.Random(f"rows {seed}").sample(self.parts[0], min(TRAINING_STRINGS, len(self.parts[0])))
        return [self._of_part(each, 0.0, SHARES[0], TRAINING_ITEMS, "training") for each in chosen]

    def validation(self, *_: Any, **__: Any) -> list[Sample]:
        """Returns the validation strings; arguments are ignored."""
        return [self._of_part(each, SHARES[0], SHARES[1], JUDGED_ROWS, "validation") for each in self._few(self.parts[1])]

    def test(self, *_: Any, **__: Any) -> list[Sample]:
        """Returns the test strings, which are held back; arguments are ignored."""
        return [self._of_part(each, SHARES[1], 1.0, JUDGED_ROWS, "test") for each in self._few(self.parts[2])]

    def sample(self, items: Items, kind: str = "", letters: int = 0) -> Sample:
        """Returns the string of these items, with the recorded answers."""
        rows = list(self.target.after(items))
        return self._sample_of(items, np.array(rows).reshape(len(items), len(self.answers)), kind)

    def answers_to(self, items: Items) -> np.ndarray:
        """Returns the recorded answers, (answers, cycles); missing ones are NaN."""
        return np.array(list(self.target.after(items))).T

    @cached_property
    def answers_are_vvalues(self) -> bool:
        """Always False: no answer of a table is a V-value."""
        return False

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(len(each.items) for each in self.strings)

    @property
    def is_divided_by_time(self) -> bool:
        """Whether each string is divided by time, because there are few."""
        return len(self.strings) < FEWEST_STRINGS

    @cached_property
    def parts(self) -> tuple[list[Recorded], list[Recorded], list[Recorded]]:
        """The strings for training, for validation and for testing."""
        if self.is_divided_by_time:
            return (list(self.strings),) * 3
        order = random.Random("parts").sample(list(self.strings), len(self.strings))
        first, second = (round(share * len(order)) for share in SHARES)
        return order[:first], order[first:second], order[second:]

    @cached_property
    def is_whole(self) -> bool:
        """Whether all answers are whole numbers."""
        return all(bool(np.all(np.isnan(each.answers) | (each.answers == np.rint(each.answers)))) for each in self.strings)

    def judge(self, machine: Machine, part: int = 2) -> Judged:
        """Compares a machine's answers with recorded rows.

        The machine runs in fractions. It runs in double precision if there are more than 5000 rows,
        or if it cannot be run exactly.

        Args:
            machine: its answers are due :attr:`delays` cycles after their items.
            part: 0 for the training rows, 1 for the validation rows, 2 for the test rows.

        Returns:
            The errors.
        """
        first, last = ((0.0, *SHARES)[part], (*SHARES, 1.0)[part]) if self.is_divided_by_time else (0.0, 1.0)
        whole = list(self._few(self.parts[part]))
        counts = [len(each.items) for each in whole]
        strings = [
            each._replace(items=each.items[: int(last * count)], answers=each.answers[: int(last * count)])
            for each, count in zip(whole, counts, strict=True)
        ]
        try:
            exact = ExactMachine(machine) if sum(len(each.items) for each in strings) <= IN_FRACTIONS else None
        except InexactError:
            exact = None
        given = self._in_double(machine, strings) if exact is None else (self._in_fractions(exact, each) for each in strings)
        errors, wrong_first = [], ""
        for each, found, count in zip(strings, given, counts, strict=True):
            off = np.stack([found[d : d + len(each.items), j] for j, d in enumerate(self.delays)], axis=1) - each.answers
            off[: int(first * count)] = np.nan
            wrong = np.nonzero((np.nan_to_num(np.abs(off)) > (self.tolerance or NEARLY)).any(axis=1))[0]
            if len(wrong) and not wrong_first:
                wrong_first = each.place(int(wrong[0]))
            errors.append(off)
        return Judged(np.concatenate(errors), wrong_first)

    def _in_fractions(self, exact: ExactMachine, string: Recorded) -> np.ndarray:
        """Returns the answers to a string, and in the cycles after it: (cycles, answers)."""
        state, given = exact.initial, []
        for item in (*string.items, *[{}] * max(self.delays)):
            answers, emitted = exact.step(state)
            state = emitted + exact.shown(self.items_by_neuron(item))
            given.append([float(x) for x in answers])
        return np.array(given)

    def _in_double(self, machine: Machine, strings: Sequence[Recorded]) -> Iterator[np.ndarray]:
        """Yields the same for each string, compiled once for each power of two of cycles."""
        samples = [self._sample_of(each.items, each.answers, "") for each in strings]
        with jax.enable_x64(True):
            compiled = compile_machine(machine, all_keys(samples), 1)
            weights = compiled.weights()
            run = jax.jit(lambda inputs: compiled.coordinates(compiled.run(weights, inputs)))
            for sample in samples:
                inputs = compiled.encode(sample.streams, 1 << (sample.cycles - 1).bit_length())
                yield np.asarray(run(inputs))[:, : sample.cycles].T

    def sentence(self, machine: Machine) -> str:
        """Says how much of the test rows a machine explains."""
        judged = self.judge(machine)
        if judged.share(self.tolerance or NEARLY) == 1.0:
            within = f", within {self.tolerance:g}" if self.tolerance else ""
            return f"reproduces all {judged.rows:,} test rows{within}"
        if self.is_whole and self.tolerance is None:
            right = judged.share(0.5)
            where = f"; the first wrong one is {judged.first_wrong}" if right == judged.share() else ", if answers are rounded"
            return f"right on {right:.1%} of {judged.rows:,} test rows{where}"
        tolerance = self.tolerance or _round_up(np.nanquantile(np.abs(self.judge(machine, 1).errors), 0.99))
        return f"within {tolerance:g} on {judged.share(tolerance):.1%} of {judged.rows:,} test rows; {self._explained(judged)}"

    def _explained(self, judged: Judged) -> str:
        """Says how much of the variance of the answers is explained."""
        right = np.concatenate([each.answers for each in self.parts[2]])[: len(judged.errors)]
        rest = float(np.nanvar(judged.errors) / max(np.nanvar(np.where(np.isnan(judged.errors), np.nan, right)), 1e-30))
        return f"{max(0.0, 1 - rest):.1%} of the variance is explained"

    def _summary(self) -> tuple[str, Facts]:
        facts = {
            "from": self.source,
            "rows": f"{self.rows:,}",
            "strings": " of ".join([f"{len(self.strings):,}", f"at most {plural(self.longest or 0, 'item')}"]),
            "reads": listed(self.inputs),
            "answers": listed(self.answers),
        }
        return f"Examples: {self.question}", facts.items()

    def reproduces(self, machine: Machine) -> bool:
        """Returns whether a machine is right about all test rows."""
        return self.judge(machine).share(self.tolerance or NEARLY) == 1.0

    def explains(self, machine: Machine) -> bool:
        """Returns whether a machine is right about the validation rows, or answers are noisy."""
        judged = self.judge(machine, 1)
        return judged.share(self.tolerance or NEARLY) == 1.0 or not self.is_whole

    def _few(self, strings: Sequence[Recorded]) -> Iterator[Recorded]:
        budget = JUDGED_ROWS
        for each in strings:
            if budget < 0:
                return
            budget -= len(each.items)
            yield each

    def _of_part(self, string: Recorded, first: float, last: float, most: int, kind: str) -> Sample:
        """Returns a string of a part; if divided by time, answers before the part are NaN."""
        count = len(string.items)
        if not self.is_divided_by_time:
            first, last = 0.0, 1.0
        end = min(int(last * count), int(first * count) + most)
        right = string.answers[:end].copy()
        right[: int(first * count)] = np.nan
        return self._sample_of(string.items[:end], right, kind)

    def _sample_of(self, items: Items, right: np.ndarray, kind: str) -> Sample:
        late = max(self.delays)
        targets = np.full((len(self.answers), len(items) + late), np.nan)
        for j, d in enumerate(self.delays):
            targets[j, d : d + len(items)] = right[:, j]
        return Sample(self._reader.streams([*items, *[{}] * late]), targets, kind)


def _round_up(x: float) -> float:
    """Rounds up to one digit."""
    if not x > 0:
        return NEARLY
    unit = 10.0 ** math.floor(math.log10(x))
    return float(f"{math.ceil(x / unit) * unit:.12g}")
