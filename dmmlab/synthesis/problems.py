"""Problems: what a machine is to answer, and the strings it learns that from and is tested on.

A problem is a question about a stream, with the right answer in every cycle: a machine that answers it, or any Python
function that reads the stream, one V-value a cycle, and yields the answer. The lab draws the strings: short ones from a
small alphabet to learn from; longer, denser, sparser ones over larger alphabets to test on. A new one is a few lines::

    def vowels(stream):
        count = 0
        for v in stream:
            count += sum(v.get(letter, 0) for letter in "ae")
            yield count

    PROBLEMS["vowels"] = Problem("How many of a and e so far?", vowels, constants={"vowel": {"a": 1.0, "e": 1.0}})
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np

from ..compiler.compiled import compile_machine
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neurons import CONST_1, INPUT, PRODUCT, NeuronType, constant
from ..core.streams import Stream, values
from ..core.vvalues import VValue, from_paths, number, paths
from ..machines.detectors import handcrafted
from ..machines.networks import LAYER, RECURRENT, Network, feedforward, recurrent

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789+-*/"  # up to 40 of them are drawn
DENSITIES = (0.2, 0.4, 0.7, 1.0)  # of items among cycles, in strings to learn from
LENGTHS = (14, 200, 2000)  # items, in strings to test on
CHUNK = 250  # cycles that a teacher is run at a time
TIMINGS = ("dense", "one in ten cycles", "random gaps")

Items = list[VValue]
Draw = Callable[[random.Random, str, int], Items]  # (random numbers, letters, how many) -> items
Target = Machine | Callable[[Iterable[VValue]], Iterable[float | Sequence[float]]]


class Sample(NamedTuple):
    """A string: a stream for each neuron that reads, the right answers (answers, cycles), and what kind of string it is."""

    streams: Mapping[str, Stream]
    target: np.ndarray
    about: str
    letters: int = 0  # in its alphabet

    @property
    def cycles(self) -> int:
        return self.target.shape[1]


def text(marks: str = "") -> Draw:
    """Letters and marks, all equally likely."""
    return lambda rng, letters, size: [{rng.choice(letters + marks): 1.0} for _ in range(size)]


@dataclass(frozen=True)
class Problem:
    """A question about a stream.

    Args:
        question: what is asked, in one line.
        target: the machine to imitate, whose neuron ``output`` has the answers; or a function of the V-values of
            the stream, one a cycle (``{}`` in silence), that yields the answer to each, a number or one for each of
            ``answers``.
        draw: ``(random numbers, letters, how many) -> items``; the lab puts the items into cycles.
        constants: what constant neurons emit beside ``const_1``, by name.
        delay: how many cycles after an item its answer is due, where the target is a function (one for each answer,
            if they differ). A link costs one cycle, so it is how deep the machine may be.
        types: the neuron types of the starting network.
        recurrent: whether it starts fully recurrent, since no feedforward machine can answer it.
        answers: the names of the answers.
        inputs: the neurons that read; if there are several, an item is ``{neuron: V-value}``.
        silence: whether cycles without an item come between those with one.
    """

    question: str
    target: Target
    draw: Draw = field(default_factory=text)
    constants: Mapping[str, VValue] = field(default_factory=dict)
    delay: int | Sequence[int] = 3
    types: Sequence[NeuronType] | None = None
    recurrent: bool = False
    answers: Sequence[str] = ("answer",)
    inputs: Sequence[str] = ("input",)
    silence: bool = True

    def __post_init__(self):
        if isinstance(self.target, Machine):
            if "output" not in self.target.neurons:
                raise LabError("the target has no neuron 'output', so there is nothing to imitate")
            object.__setattr__(self, "answers", self.target.neurons["output"].inputs)
        if len(self.delays) != len(self.answers) or not all(isinstance(d, int) and d > 0 for d in self.delays):
            raise LabError(f"delay {self.delay!r}: expected a number of cycles from 1 on, or one for each of {self.answers}")

    @property
    def delays(self) -> tuple[int, ...]:
        """The delay of each answer, in cycles."""
        return tuple(self.delay) if isinstance(self.delay, Sequence) else (self.delay,) * len(self.answers)

    @cached_property
    def network(self) -> Network:
        """The starting network, the same for all problems up to sources, types and answers."""
        output = NeuronType("output", tuple(self.answers), (), lambda *answers: ())
        sources = dict.fromkeys(self.inputs, INPUT) | {"const_1": CONST_1}
        sources |= {name: constant(name, "char", v) for name, v in self.constants.items()}
        if self.recurrent:
            return recurrent(2, self.types or RECURRENT, output, sources)
        return feedforward(5, 2, self.types or LAYER, outputs=output, sources=sources)

    def training(self, seed: int, strings: int = 8, cycles: int = 40, letters: int = 3) -> list[Sample]:
        """Short strings to learn from."""
        if min(strings, cycles) < 1 or not 0 < letters <= len(LETTERS):
            raise LabError(
                f"{strings} strings, {cycles} cycles, {letters} letters: expected 1 or more, {len(LETTERS)} letters at most"
            )
        rng = random.Random(f"training {seed}")
        samples = []
        for i in range(strings):
            density = DENSITIES[i % len(DENSITIES)] if self.silence else 1.0
            present = [rng.random() < density for _ in range(cycles)]
            samples.append(self._sample(rng, LETTERS[:letters], present, f"{letters} letters, density {density}"))
        return samples

    def heldout(self, seed: int = 0, letters: Sequence[int] = (8, 40), lengths: Sequence[int] = LENGTHS) -> list[Sample]:
        """Strings to test on: more of the short ones, none like those of :meth:`training`."""
        if min(*letters, *lengths, 1) < 1 or max(letters) > len(LETTERS):
            raise LabError(f"letters {letters}, lengths {lengths}: expected 1 or more, and {len(LETTERS)} letters at most")
        rng = random.Random(f"held out {seed}")
        samples = []
        for alphabet in letters:
            for length in lengths:
                for timing in TIMINGS if self.silence else TIMINGS[:1]:
                    for _ in range(max(1, min(8, 200 // length))):
                        gaps = {"dense": lambda: 0, "one in ten cycles": lambda: 9}.get(timing, lambda: rng.randrange(12))
                        present = [here for _ in range(length) for here in [*[False] * gaps(), True]]
                        about = f"{length} items, {timing}, {alphabet} letters"
                        samples.append(self._sample(rng, LETTERS[:alphabet], present, about))
        return samples

    def sample(self, items: Items, about: str = "", letters: int = 0) -> Sample:
        """The string with these items, one a cycle; ``{}`` is silence."""
        return Sample(self._streams(items), self._target(items), about, letters)

    def _sample(self, rng: random.Random, letters: str, present: Sequence[bool], about: str) -> Sample:
        drawn = list(self.draw(rng, letters, sum(present)))
        if len(drawn) != sum(present):
            raise LabError(f"draw gave {len(drawn)} items: expected {sum(present)}")
        items = iter(drawn)
        return self.sample([next(items) if here else {} for here in present], about, len(letters))

    def _streams(self, items: Items) -> dict[str, Stream]:
        if len(self.inputs) == 1:
            return {self.inputs[0]: values(items)}
        return {name: values(v.get(name, {}) if isinstance(v, dict) else {} for v in items) for name in self.inputs}

    def _target(self, shown: Items) -> np.ndarray:
        if isinstance(self.target, Machine):
            return self._answers_of(self.target, shown)
        try:
            array = np.array([[row] if np.ndim(row) == 0 else row for row in self.target(shown)], dtype=float).T
        except (TypeError, ValueError) as error:
            raise LabError(f"the target must yield numbers, as many in each cycle: {error}") from error
        if not np.isfinite(array).all():
            raise LabError(f"the target is not finite in cycle {int(np.argmin(np.isfinite(array).all(axis=0)))}")
        if array.shape != (len(self.answers), len(shown)):
            raise LabError(f"the target gave answers of shape {array.shape}: expected {(len(self.answers), len(shown))}")
        late = [
            np.concatenate([np.zeros(min(d, len(shown))), row[: len(shown) - d]])
            for row, d in zip(array, self.delays, strict=True)
        ]
        return np.stack(late)

    def _answers_of(self, teacher: Machine, items: Items) -> np.ndarray:
        """In double precision and in chunks, so that one compilation does for strings of all lengths."""
        streams = self._streams(items)
        keys = frozenset((name, path) for name in streams for v in streams[name].events.values() for path, _ in paths(v))
        if all(len(path) == 1 for _, path in keys):  # so that one compilation does for most strings
            keys |= {(name, (letter,)) for name in self.inputs for letter in LETTERS}
        if keys not in self._teachers:
            stream = {n: values([from_paths((path, 1.0) for m, path in sorted(keys) if m == n)]) for n in self.inputs}
            with jax.enable_x64(True):
                compiled = compile_machine(teacher, stream, 1)
                self._teachers[keys] = compiled, jax.jit(compiled.run_on)
        compiled, run = self._teachers[keys]
        with jax.enable_x64(True):
            chunks = -(-len(items) // CHUNK)
            data, carry, found = compiled.encode(streams, chunks * CHUNK), None, []
            carry = compiled.nothing(data)
            for i in range(chunks):
                part = {b: x[..., i * CHUNK : (i + 1) * CHUNK] for b, x in data.items()}
                arrived, carry = run(compiled.weights(), part, carry)
                found.append(np.asarray(arrived[0][:, 0]))
        rows = dict(zip(compiled.answers, np.concatenate(found, axis=1)[:, : len(items)], strict=True))
        return np.stack([rows["output", name] for name in self.answers])

    @cached_property
    def _teachers(self) -> dict:
        return {}


def _count(chosen: Callable[[str], bool]) -> Callable[[Iterable[VValue]], Iterator[float]]:
    def count(stream: Iterable[VValue]) -> Iterator[float]:
        total = 0.0
        for v in stream:
            total += sum(chosen(key) for key in v)
            yield total

    return count


def _once_repeated(stream: Iterable[VValue]) -> Iterator[float]:
    seen: set[str] = set()
    flag = 0.0
    for v in stream:
        if seen & v.keys():
            flag = 1.0
        seen |= v.keys()
        yield flag


def _longest_run(stream: Iterable[VValue]) -> Iterator[float]:
    longest, run, last = 0.0, 0.0, None
    for v in stream:
        run, last = (run + 1 if v == last else 1.0), v
        longest = max(longest, run)
        yield longest


def _difference(one: str, other: str) -> Callable[[Iterable[VValue]], Iterator[float]]:
    def difference(stream: Iterable[VValue]) -> Iterator[float]:
        total = 0.0
        for v in stream:
            total += v.get(one, 0.0) - v.get(other, 0.0)
            yield total

    return difference


def _running_maximum(stream: Iterable[VValue]) -> Iterator[float]:
    largest = 0.0
    for v in stream:
        largest = max(largest, number(v))
        yield largest


def _seen_before(stream: Iterable[VValue]) -> Iterator[float]:
    counts: dict[str, float] = {}
    for v in stream:
        yield min(4.0, sum(counts.get(key, 0.0) for key in v))
        for key in v:
            counts[key] = counts.get(key, 0.0) + 1


def _words(rng: random.Random, letters: str, size: int) -> Items:
    """Words of one to five letters with single spaces between them."""
    string = ""
    while len(string) < size:
        string += "".join(rng.choices(letters, k=rng.randint(1, 5))) + " "
    return [{character: 1.0} for character in string[:size]]


def _brackets(rng: random.Random, letters: str, size: int) -> Items:
    """Letters and brackets, none of which closes what was not opened."""
    items: Items = []
    depth = 0
    for _ in range(size):
        character = rng.choice(["(", ")" if depth else "(", rng.choice(letters)])
        depth += {"(": 1, ")": -1}.get(character, 0)
        items.append({character: 1.0})
    return items


def _runs(rng: random.Random, letters: str, size: int) -> Items:
    string = ""
    while len(string) < size:
        string += rng.choice(letters) * rng.choice([1, 1, 2, 3, 5, 8])
    return [{character: 1.0} for character in string[:size]]


def _numbers(rng: random.Random, letters: str, size: int) -> Items:
    """Multiples of 1/8 up to as much as there are letters."""
    return [_eighths(rng, 0, len(letters)) for _ in range(size)]


def _pairs(rng: random.Random, letters: str, size: int) -> Items:
    n = len(letters)
    return [{"left": _eighths(rng, -n, n), "right": _eighths(rng, -n, n)} for _ in range(size)]


def _eighths(rng: random.Random, low: int, high: int) -> float:
    return rng.randint(8 * low, 8 * high) / 8


DUPLICATES = Problem(
    "How often has the most frequent character come, less 1? And how many full stops, up to 4?",
    handcrafted(),
    text("."),
    constants={"eos": {".": 1.0}},
)

PROBLEMS: dict[str, Problem] = {
    "duplicates": DUPLICATES,
    "characters": Problem("How many characters so far?", _count(lambda key: True)),
    "words": Problem("How many words have ended so far?", _count(" ".__eq__), _words, {"space": {" ": 1.0}}),
    "sentences": Problem(
        "How many sentences have ended so far?",
        _count(set(".!?").__contains__),
        text(".!?"),
        {"end": dict.fromkeys(".!?", 1.0)},
    ),
    "repetition": Problem("Has any character come again? 1 from then on.", _once_repeated, delay=4),
    "longest-run": Problem(
        "How long is the longest run of one character so far?",
        _longest_run,
        _runs,
        delay=4,
        types=(*RECURRENT, PRODUCT),
        recurrent=True,
        silence=False,
    ),
    "margin": Problem("By how much does a lead over b?", _difference("a", "b"), text(), {"a": {"a": 1.0}, "b": {"b": 1.0}}),
    "running-maximum": Problem(
        "What is the largest number so far?", _running_maximum, _numbers, delay=2, recurrent=True, silence=False
    ),
    "sum": Problem(
        "What do the two numbers add up to?",
        lambda stream: (number(v.get("left", {})) + number(v.get("right", {})) for v in stream),
        _pairs,
        delay=1,
        inputs=("left", "right"),
    ),
    "difference": Problem(
        "By how much is the first number larger than the second?",
        lambda stream: (number(v.get("left", {})) - number(v.get("right", {})) for v in stream),
        _pairs,
        delay=1,
        inputs=("left", "right"),
    ),
    "bracket-depth": Problem(
        "How many brackets are open?", _difference("(", ")"), _brackets, {"open": {"(": 1.0}, "close": {")": 1.0}}
    ),
    "seen-before": Problem("How often was this character seen before, up to 4?", _seen_before, delay=2),
}
