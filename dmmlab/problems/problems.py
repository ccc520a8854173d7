"""Problems: what a machine is to answer, and the strings it is trained, validated and tested on.

A problem is a question about a stream, with a target in every cycle: a machine that answers it, or
any Python function that reads the stream, one V-value a cycle, and yields the answer. The lab draws
three sets of strings. *Training* strings are short, over a small alphabet. *Validation* strings are
longer, denser, sparser, over larger alphabets; with them machines are chosen and weights rounded.
*Test* strings are longer still and drawn from another seed each time; nothing is chosen with them.
No training string begins a validation or test string. A new problem is a few lines::

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
from ..core.summaries import Facts, names, plural, summarised
from ..core.vvalues import VValue, check, describe
from ..machines.networks import LAYER, RECURRENT, Network, feedforward, recurrent
from ..pruning.samples import Sample
from .draws import ANY_LETTERS, LETTERS, Draw, Items, one_of_these
from .previews import Preview
from .problem_checks import check_everywhere, check_problem
from .string_shapes import ALPHABETS, TEST_LENGTHS, VALIDATION_LENGTHS, Shape, training_shapes, unseen_shapes
from .target_answers import TargetAnswers
from .target_rows import Target, has_trees, rows_of

USUAL_DELAY = 3  # cycles
DRAWS = 100  # how often a string is drawn that must not begin as a training string does


@summarised
@dataclass(frozen=True)
class Problem:
    """A question about a stream.

    Args:
        question: what is asked, in one line.
        target: the machine to imitate, whose neuron ``output`` has the answers; or a function of
            the V-values of the stream, one a cycle (``{}`` in silence), that yields the answer to
            each, or one for each of ``answers``. An answer is a number; or a V-value, if a function
            ever yields a dict.
        draw: ``(random numbers, letters, how many) -> items``; the lab puts the items into cycles.
        constants: what constant neurons emit beside ``const_1``, by name.
        delay: how many cycles after an item its answer is due, where the target is a function (one
            for each answer, if they differ). A link costs one cycle, so it is how deep the machine
            may be.
        types: the neuron types of the starting network.
        recurrent: whether it starts fully recurrent, since no feedforward machine can answer it. If
            left out, both are tried.
        answers: the names of the answers.
        inputs: the neurons that read; if there are several, an item is ``{neuron: V-value}``.
        silence: whether cycles without an item come between those with one.
        alphabet: all items that may come, if there are finitely many; they are drawn equally often,
            if nothing else is given. Proofs need it. Any iterable of V-values but a dict.
        longest: how many items a string has at most; no limit if left out.
        letters: how many the alphabets of validation and of test strings have.

    Raises :class:`~dmmlab.core.errors.LabError` for a machine without ``output``, a delay below 1,
    an alphabet with something that is no V-value, or numbers of letters that cannot be.
    """

    question: str
    target: Machine | Target
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
        if len(self.delays) != len(self.answers) or not all(type(d) is int and d > 0 for d in self.delays):
            raise LabError(f"delay {self.delay!r}: expected a number of cycles from 1 on, or one for each of {self.answers}")
        sizes = self.letters if isinstance(self.letters, Sequence) else ()
        if not sizes or not all(type(n) is int and 0 < n <= len(LETTERS) for n in sizes):
            raise LabError(f"letters {self.letters!r}: expected how many there are in each alphabet, from 1 to {len(LETTERS)}")

    is_recorded: ClassVar[bool] = False  # whether nothing is known of the target but a table of rows

    @property
    def rows(self) -> int:
        """How many rows there are, where there are rows."""
        return 0

    def reproduces(self, machine: Machine) -> bool:
        """Whether a machine is right about all test rows, where there are rows."""
        return False

    def explains(self, machine: Machine) -> bool:
        """Whether a machine is right about the rows to choose with, where there are rows."""
        return False

    def sentence(self, machine: Machine) -> str:
        """How much of the test rows a machine explains, in words, where there are rows."""
        return ""

    @property
    def delays(self) -> tuple[int, ...]:
        """The delay of each answer, in cycles; 3 where none is given."""
        if isinstance(self.delay, Sequence):
            return tuple(self.delay)
        return (USUAL_DELAY if self.delay is None else self.delay,) * len(self.answers)

    def with_delay(self, delay: int | Sequence[int]) -> "Problem":
        """The same problem, its answers due so many cycles after an item."""
        return replace(self, delay=delay)

    @cached_property
    def network(self) -> Network:
        """The starting network, the same for all problems up to sources, types and answers."""
        output = answering(tuple(self.answers))
        if self.recurrent:
            return recurrent(2, self.types or RECURRENT, output, self.sources)
        return feedforward(5, 2, self.types or LAYER, outputs=output, sources=self.sources)

    @property
    def sources(self) -> dict[str, NeuronType]:
        """The neurons that nothing but the timer feeds, by name."""
        constants = {name: constant(name, "char", v) for name, v in self.constants.items()}
        return dict.fromkeys(self.inputs, INPUT) | {"const_1": CONST_1} | constants

    def training(self, seed: int, strings: int = 8, cycles: int = 40, letters: int = 3, every: int = 0) -> list[Sample]:
        """Short strings to learn from.

        Args:
            seed: for the random numbers.
            strings: how many.
            cycles: of each.
            letters: in their alphabet.
            every: if not 0, an item comes in every so many cycles; if 0, at random, in strings of
                several densities.

        Returns:
            The strings.

        Raises:
            LabError: no strings, cycles or letters, or more letters than there are.
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
        """Strings with which machines are chosen, with three timings and two alphabets.

        Args:
            seed: for the random numbers.
            apart_from: training strings; none of these begins as one of them does.
            lengths: how many items; of the shorter ones there are more strings.
            letters: in the alphabets; those of the problem, if left out.

        Returns:
            The strings.

        Raises:
            LabError: lengths or alphabets that cannot be, or only strings that begin as a training
                string does.
        """
        return self._unseen(random.Random(f"held out {seed}"), apart_from, lengths, letters)

    def test(
        self,
        seed: int,
        apart_from: Sequence[Sample] = (),
        lengths: Sequence[int] = TEST_LENGTHS,
        letters: Sequence[int] | None = None,
    ) -> list[Sample]:
        """Strings with which nothing is chosen, longer than those of :meth:`validation`.

        Arguments, result and errors raised are as there.
        """
        return self._unseen(random.Random(f"test {seed}"), apart_from, lengths, letters)

    def _unseen(
        self, rng: random.Random, apart_from: Sequence[Sample], lengths: Sequence[int], letters: Sequence[int] | None
    ) -> list[Sample]:
        samples, letters = [], self.letters if letters is None else tuple(letters)
        if self.longest is not None:
            lengths = sorted({min(length, self.longest) for length in lengths})
        for shape in unseen_shapes(rng, lengths, letters[:1] if self.alphabet else letters, self.silence):
            for _ in range(DRAWS):
                sample = self._sample(rng, shape.letters, shape.present(), shape.kind)
                if not any(map(sample.agrees_with, apart_from)):
                    samples.append(sample)
                    break
        if not samples:
            raise LabError("every string that is drawn begins as a training string does: give a draw with more variety")
        return samples

    def sample(self, items: Items, kind: str = "", letters: int = 0) -> Sample:
        """The string with these items, one a cycle; ``{}`` is silence.

        Args:
            items: V-values.
            kind: what kind of string it is, in words.
            letters: how many letters its alphabet has.

        Returns:
            The string, with its targets.

        Raises:
            LabError: the target yields no finite numbers, or not as many as there are answers.
        """
        targets, rows = self._answers.when_due(items)
        return Sample(self._answers.streams(items), targets, kind, letters, rows)

    def answers_to(self, items: Items) -> np.ndarray:
        """The target's answers, those of a function beside the items that they answer.

        Args:
            items: V-values, one a cycle; ``{}`` is silence.

        Returns:
            An array, (answers, cycles); where answers are V-values, (their coordinates, cycles).

        Raises:
            LabError: as :meth:`sample`.
        """
        return self._answers.to(items)[0]

    def vvalues_answered(self, items: Items) -> list[tuple[VValue, ...]]:
        """As :meth:`answers_to`: for each cycle, a V-value for each answer."""
        return self._answers.vvalues(items)

    @cached_property
    def answers_are_vvalues(self) -> bool:
        """Whether the target ever yields a dict, in strings such as those to learn from."""
        if isinstance(self.target, Machine):
            return False
        rng = random.Random("kind of answers")
        strings = (self._items(rng, shape.letters, shape.present()) for shape in self._training_shapes(rng))
        for items in strings:
            with contextlib.suppress(LabError):  # a target may know nothing of such a string
                if any(map(has_trees, rows_of(self.target, self.answers, list(map(self.as_read, items))))):
                    return True
        return False

    def items_of(self, sample: Sample) -> Items:
        """The items of a string, one a cycle; ``{}`` is silence.

        Args:
            sample: a string of this problem.

        Returns:
            What ``sample`` was made of.
        """
        return self._answers.items_of(sample, self.silence)

    def as_read(self, item: VValue) -> VValue:
        """An item as the target reads it.

        Where there is no silence, what is a number is a whole number if it can be, and a zero is
        ``0``, also where a stream has dropped it; so it is in an item of several inputs, in any
        cycle but one without an item.
        """
        if (self.silence and (len(self.inputs) == 1 or not item)) or not self._of_numbers:
            return dict(item) if isinstance(item, dict) else item  # a target may change what it reads
        read = {n: _whole(v) if n in self._of_numbers else v or {} for n, v in self.items_by_neuron(item).items()}
        return read[self.inputs[0]] if len(self.inputs) == 1 else read

    def items_by_neuron(self, item: VValue) -> dict[str, VValue]:
        """What each reading neuron reads of an item."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: item}
        return {name: item.get(name, 0) if isinstance(item, dict) else 0 for name in self.inputs}

    @cached_property
    def _of_numbers(self) -> frozenset[str]:
        """The inputs that are given numbers alone."""
        items = self.alphabet or self.draw(random.Random("numbers"), "abc", DRAWS)
        read = [self.items_by_neuron(item) for item in items if item != {}]
        return frozenset(n for n in self.inputs if read and not any(isinstance(each[n], dict) and each[n] for each in read))

    def preview(self, seed: int = 0, items: int = 14, letters: int = 4) -> Preview:
        """A drawn string with the target's answers, to try a problem before anything is trained.

        Args:
            seed: for the random numbers.
            items: how many; a third of the cycles has none, where there is silence.
            letters: in the alphabet.

        Returns:
            The items and the answers side by side; a notebook shows a table.

        Raises:
            LabError: as :meth:`sample`; or the target is the same in every cycle of the strings
                that would be drawn to learn from.

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
        else:  # a synthesis draws the letters that the target tells apart
            check_everywhere(self, self.training(seed))
        items_drawn = self.items_of(sample)
        late = () if isinstance(self.target, Machine) else self.delays
        return Preview(self.question, items_drawn, self.vvalues_answered(items_drawn), self.answers, late)

    def _sample(self, rng: random.Random, letters: str, present: Sequence[bool], kind: str) -> Sample:
        return self.sample(self._items(rng, letters, present), kind, len(letters))

    def _items(self, rng: random.Random, letters: str, present: Sequence[bool]) -> Items:
        drawn = list(self.draw(rng, letters, sum(present)))
        if len(drawn) != sum(present):
            raise LabError(f"draw gave {len(drawn)} items: expected {sum(present)}")
        items = iter(drawn)
        late: Items = [{}] * max(self.delays) if self.longest is not None else []  # so that the last answers are seen
        return [*(next(items) if here else {} for here in present), *late]

    @cached_property
    def _answers(self) -> TargetAnswers:
        return TargetAnswers(
            self.target, self.inputs, self.answers, self.delays, lambda: self.answers_are_vvalues, self.as_read
        )

    def _summary(self) -> tuple[str, Facts]:
        target = self.target
        named = f"function {getattr(target, '__name__', '')}".rstrip()
        facts: dict[str, object] = {
            "target": f"machine of {plural(target.count(), 'link')}" if isinstance(target, Machine) else named,
            "answers": names(self.answers),
            "delay": "to be found" if self.delay is None else names(dict.fromkeys(self.delays)),
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


def _whole(x: VValue) -> VValue:
    """A number as a whole number, if it is one; the zero V-value as 0."""
    if isinstance(x, dict):
        return x or 0
    return int(x) if type(x) is not int and x == x // 1 else x
