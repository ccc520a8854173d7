"""Problems: questions to machines, with strings to train, validate and test them on.

A problem is a question about a stream, with a target answer in every cycle. The target is a machine
that answers the question, or any Python function that reads the stream, one V-value a cycle, and
yields the answers. The lab draws three sets of strings. *Training* strings are short, over a small
alphabet. *Validation* strings are longer, denser or sparser, over larger alphabets; they serve to
choose machines and to round weights. *Test* strings are longer still, and drawn from another seed
each time; nothing is chosen with them. No training string begins a validation or test string. A new
problem takes a few lines::

    def vowels(stream):
        count = 0
        for v in stream:
            count += sum(v.get(letter, 0) for letter in "ae")
            yield count

    constants = {"vowel": {"a": 1.0, "e": 1.0}}
    vowel_problem = Problem("How many of a and e so far?", vowels, constants=constants)
"""

import contextlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neuron_type import NeuronType
from ..core.neurons import CONST_1, INPUT, answering, constant
from ..core.summaries import Facts, names, summarised
from ..core.vvalues import VValue, check, describe
from ..machines.networks import LAYER, RECURRENT, Network, feedforward, recurrent
from ..pruning.samples import Sample
from .items import ANY_LETTERS, LETTERS, Draw, Items, Reader, one_of_these
from .previews import Preview
from .problem_checks import check_everywhere, check_problem
from .references import Reference, reference_of
from .string_shapes import ALPHABETS, TEST_LENGTHS, VALIDATION_LENGTHS, Shape, training_shapes, unseen_shapes
from .target_rows import Function

USUAL_DELAY = 3  # cycles
ATTEMPTS = 100  # attempts to draw a string that does not begin like a training string


@summarised
@dataclass(frozen=True)
class Problem:
    """A question about a stream.

    Args:
        question: the question, in one line.
        target: the machine to imitate, whose neuron ``output`` has the answers; or a function that
            takes the V-values of the stream, one a cycle (``{}`` in silence), and yields for each
            an answer, or a sequence with one for each of ``answers``. Answers are numbers; they are
            V-values if a function ever yields a dict.
        draw: ``(random generator, letters, count) -> items``; the lab distributes the items over
            the cycles.
        constants: the V-values that constant neurons besides ``const_1`` emit, by name.
        delay: the number of cycles from an item to its answer, if the target is a function (a
            sequence gives each answer its own). A link costs one cycle, so the delay limits the
            depth of the machine.
        types: the neuron types of the starting network.
        recurrent: whether the starting network is fully recurrent, because no feedforward machine
            can answer. If left out, both are tried.
        answers: the names of the answers.
        inputs: the neurons that read; if there are several, an item is ``{neuron: V-value}``.
        silence: whether there are cycles without an item between the items.
        alphabet: all possible items, if there are finitely many; without ``draw``, they are equally
            likely. Proofs need it. Any iterable of V-values except a dict.
        longest: the maximum number of items in a string; no limit if left out.
        letters: the alphabet sizes of validation and test strings.

    Raises :class:`~dmmlab.core.errors.LabError` for a machine without ``output``, a delay below 1,
    an alphabet with something that is no V-value, or invalid numbers of letters.
    """

    question: str
    target: Machine | Function
    draw: Draw = ANY_LETTERS
    constants: Mapping[str, VValue] = field(default_factory=dict)
    delay: int | Sequence[int] | None = None
    types: Sequence[NeuronType] | None = None
    recurrent: bool | None = None
    answers: Sequence[str] = ("answer",)
    inputs: Sequence[str] = ("input",)
    silence: bool = True
    alphabet: Sequence[VValue] = ()
    longest: int | None = None
    letters: Sequence[int] = ALPHABETS

    def __post_init__(self):
        object.__setattr__(self, "alphabet", _checked_alphabet(self.alphabet))
        if self.alphabet and self.draw is ANY_LETTERS:
            object.__setattr__(self, "draw", one_of_these(self.alphabet))
        if isinstance(self.target, Machine):
            if "output" not in self.target.neurons:
                raise LabError("the target has no neuron 'output', so there is nothing to imitate")
            object.__setattr__(self, "answers", self.target.neurons["output"].inputs)
        if len(self._given_delays) != len(self.answers) or not all(type(d) is int and d > 0 for d in self._given_delays):
            raise LabError(f"delay {self.delay!r}: expected a number of cycles from 1 on, or one for each of {self.answers}")
        sizes = self.letters if isinstance(self.letters, Sequence) else ()
        if not sizes or not all(type(n) is int and 0 < n <= len(LETTERS) for n in sizes):
            raise LabError(f"letters {self.letters!r}: expected how many there are in each alphabet, from 1 to {len(LETTERS)}")

    is_recorded: ClassVar[bool] = False  # whether the target is known only from the rows of a table

    @property
    def rows(self) -> int:
        """The number of table rows; 0 if the problem is not made from a table."""
        return 0

    def reproduces(self, machine: Machine) -> bool:
        """Returns whether a machine is right about all test rows; False without a table."""
        return False

    def explains(self, machine: Machine) -> bool:
        """Returns whether a machine is right about the validation rows; False without a table."""
        return False

    def sentence(self, machine: Machine) -> str:
        """Says how much of the test rows a machine explains; empty without a table."""
        return ""

    @property
    def delays(self) -> tuple[int, ...]:
        """The delay of each answer, in cycles: 3 by default, 0 if the target is a machine."""
        return self.reference.delays

    @property
    def delay_is_open(self) -> bool:
        """Whether the delays are to be found: none is given, and the target is no machine."""
        return self.delay is None and any(self.delays)

    @property
    def _given_delays(self) -> tuple[int, ...]:
        if isinstance(self.delay, Sequence):
            return tuple(self.delay)
        return (USUAL_DELAY if self.delay is None else self.delay,) * len(self.answers)

    def with_delay(self, delay: int | Sequence[int]) -> "Problem":
        """Returns the problem with another delay, in cycles."""
        return replace(self, delay=delay)

    @cached_property
    def network(self) -> Network:
        """The starting network; problems differ only in its kind, sources, types and answers."""
        output = answering(tuple(self.answers))
        if self.recurrent:
            return recurrent(2, self.types or RECURRENT, output, self.sources)
        return feedforward(5, 2, self.types or LAYER, outputs=output, sources=self.sources)

    @property
    def sources(self) -> dict[str, NeuronType]:
        """The neurons that only the timer feeds, by name: inputs and constants."""
        constants = {name: constant(name, "char", v) for name, v in self.constants.items()}
        return dict.fromkeys(self.inputs, INPUT) | {"const_1": CONST_1} | constants

    def training(self, seed: int, strings: int = 8, cycles: int = 40, letters: int = 3, every: int = 0) -> list[Sample]:
        """Draws short strings for training.

        Args:
            seed: for the random numbers.
            strings: the number of strings.
            cycles: the number of cycles in each.
            letters: the size of their alphabet.
            every: if not 0, an item comes once in ``every`` cycles; if 0, items come at random,
                with several densities.

        Returns:
            The strings.

        Raises:
            LabError: no strings, cycles or letters, or more letters than the lab has.
        """
        rng = random.Random(f"training {seed}")
        shapes = self._training_shapes(rng, strings, cycles, letters, every)
        return [self._sample(rng, shape.letters, shape.present(), shape.kind) for shape in shapes]

    def _training_shapes(
        self, rng: random.Random, strings: int = 8, cycles: int = 40, letters: int = 3, every: int = 0
    ) -> Iterator[Shape]:
        shown = cycles if self.longest is None else min(cycles, self.longest)
        return training_shapes(rng, strings, shown, letters, self.silence, every)

    def validation(
        self,
        seed: int = 0,
        apart_from: Sequence[Sample] = (),
        lengths: Sequence[int] = VALIDATION_LENGTHS,
        letters: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Draws the strings that choose machines, with three timings and two alphabets.

        Args:
            seed: for the random numbers.
            apart_from: training strings; no drawn string begins like one of them.
            lengths: items per string; there are more strings of the shorter lengths.
            letters: the alphabet sizes; those of the problem, if left out.

        Returns:
            The strings.

        Raises:
            LabError: invalid lengths or alphabet sizes, or every drawn string begins like a
                training string.
        """
        return self._unseen(random.Random(f"held out {seed}"), apart_from, lengths, letters)

    def test(
        self,
        seed: int,
        apart_from: Sequence[Sample] = (),
        lengths: Sequence[int] = TEST_LENGTHS,
        letters: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Draws the strings for the final test, longer than those of :meth:`validation`.

        Arguments, result and errors raised are the same.
        """
        return self._unseen(random.Random(f"test {seed}"), apart_from, lengths, letters)

    def _unseen(
        self, rng: random.Random, apart_from: Sequence[Sample], lengths: Sequence[int], letters: Sequence[int] | None
    ) -> list[Sample]:
        samples, letters = [], self.letters if letters is None else tuple(letters)
        if self.longest is not None:
            lengths = sorted({min(length, self.longest) for length in lengths})
        for shape in unseen_shapes(rng, lengths, letters[:1] if self.alphabet else letters, self.silence):
            for _ in range(ATTEMPTS):
                sample = self._sample(rng, shape.letters, shape.present(), shape.kind)
                if not any(map(sample.agrees_with, apart_from)):
                    samples.append(sample)
                    break
        if not samples:
            raise LabError("every string that is drawn begins as a training string does: give a draw with more variety")
        return samples

    def sample(self, items: Items, kind: str = "", letters: int = 0) -> Sample:
        """Returns the string with these items, one a cycle; ``{}`` is silence.

        Args:
            items: V-values.
            kind: a description of the string.
            letters: the size of its alphabet.

        Returns:
            The string, with its targets.

        Raises:
            LabError: the target yields no finite numbers, or not as many as there are answers.
        """
        targets, rows = self.reference.answers_when_due(items)
        return Sample(self._reader.streams(items), targets, kind, letters, rows)

    def answers_to(self, items: Items) -> np.ndarray:
        """Returns the target's answers; a function's answers are not delayed.

        Args:
            items: V-values, one a cycle; ``{}`` is silence.

        Returns:
            An array (answers, cycles); if answers are V-values, (their coordinates, cycles).

        Raises:
            LabError: as :meth:`sample`.
        """
        return self.reference.answers(items)[0]

    def vvalues_answered(self, items: Items) -> list[tuple[VValue, ...]]:
        """Returns the answers of :meth:`answers_to` as V-values: a tuple of them for each cycle."""
        return self.reference.vvalues(items)

    @cached_property
    def answers_are_vvalues(self) -> bool:
        """Whether the target yields a dict on a sample of training strings."""
        rng = random.Random("kind of answers")
        strings = (self._items(rng, shape.letters, shape.present()) for shape in self._training_shapes(rng))
        for items in strings:
            with contextlib.suppress(LabError):  # the target may reject such a string
                if self.reference.yields_vvalues(items):
                    return True
        return False

    def items_of(self, sample: Sample) -> Items:
        """Returns the items of a string, one a cycle; ``{}`` is silence.

        Args:
            sample: a string of this problem.

        Returns:
            The items that ``sample`` was made from.
        """
        return self._reader.items_of(sample)

    def as_read(self, item: VValue) -> VValue:
        """Returns an item as the target reads it.

        In a problem without silence, a number is read as an integer if it is whole, and zero as
        ``0``, even if the stream has dropped it. The same holds for an item of several inputs, with
        silence too, except in cycles without an item.
        """
        return self._reader.as_read(item)

    def items_by_neuron(self, item: VValue) -> dict[str, VValue]:
        """Returns the part of an item that each reading neuron reads, by neuron."""
        return self._reader.by_neuron(item)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.inputs, self.silence, self.alphabet, self.draw)

    @cached_property
    def reference(self) -> Reference:
        """The target, in a form that does not depend on its kind."""
        are_vvalues = lambda: self.answers_are_vvalues  # noqa: E731  # known once the target was run
        return reference_of(self.target, self.answers, self._given_delays, self._reader, are_vvalues)

    def preview(self, seed: int = 0, items: int = 14, letters: int = 4) -> Preview:
        """Draws a string with the target's answers, to try a problem before training.

        Args:
            seed: for the random numbers.
            items: the number of items; with silence, about a third of the cycles have none.
            letters: the size of the alphabet.

        Returns:
            The items and the answers side by side; a notebook shows a table.

        Raises:
            LabError: as :meth:`sample`; or an answer is the same in every cycle of the training
                strings.

        Warns:
            ProblemWarning: as :func:`~dmmlab.problems.problem_checks.check_problem`.
        """
        if items < 1 or not 0 < letters <= len(LETTERS):
            raise LabError(f"{items} items, {letters} letters: expected 1 or more, and {len(LETTERS)} letters at most")
        rng = random.Random(f"preview {seed}")
        present = [True] * items
        if self.silence:
            present = [here for _ in range(items) for here in [*[False] * (rng.random() < 0.4), True]]
        sample = self._sample(rng, LETTERS[:letters], present, "preview")
        if self.constants:
            check_problem(self, self.training(seed), self.validation(seed, lengths=VALIDATION_LENGTHS[:2]))
        else:  # a synthesis draws the letters that the target distinguishes
            check_everywhere(self, self.training(seed))
        items_drawn = self.items_of(sample)
        return Preview(self.question, items_drawn, self.vvalues_answered(items_drawn), self.answers, self.delays)

    def _sample(self, rng: random.Random, letters: str, present: Sequence[bool], kind: str) -> Sample:
        return self.sample(self._items(rng, letters, present), kind, len(letters))

    def _items(self, rng: random.Random, letters: str, present: Sequence[bool]) -> Items:
        drawn = list(self.draw(rng, letters, sum(present)))
        if len(drawn) != sum(present):
            raise LabError(f"draw gave {len(drawn)} items: expected {sum(present)}")
        items = iter(drawn)
        late: Items = [{}] * max(self._given_delays) if self.longest is not None else []  # cycles for the last answers
        return [*(next(items) if here else {} for here in present), *late]

    def _summary(self) -> tuple[str, Facts]:
        facts: dict[str, object] = {
            "target": self.reference.description,
            "answers": names(self.answers),
            "delay": "to be found" if self.delay is None else names(dict.fromkeys(self._given_delays)),
            "reads": names(self.inputs),
            "constants": names(self.constants),
        }
        if self.types is not None:
            facts["types"] = names(kind.name for kind in self.types)
        facts["network"] = {None: "to be found", True: "recurrent", False: "feedforward"}[self.recurrent]
        facts["silence"] = "between items" if self.silence else "none"
        return f"Problem: {self.question}", facts.items()


def _checked_alphabet(alphabet: Iterable[VValue]) -> tuple[VValue, ...]:
    if isinstance(alphabet, Mapping | str) or not isinstance(alphabet, Iterable):
        raise LabError(f"alphabet {describe(alphabet)}: expected a list of V-values, such as (0, 1) or ({{'a': 1.0}},)")
    items = tuple(alphabet)
    for i, item in enumerate(items):
        check(item, (f"alphabet item {i}",))
    return items
