"""Evaluation: measures the error of a machine on strings outside the training set.

All strings over one alphabet are concatenated and split into chunks, so that one compiled program
runs them. They run in double precision, because rounding errors accumulate over thousands of
characters.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.array_operations import Answers
from ..compiler.chunk_runner import ChunkRunner
from ..compiler.chunks import CHUNK, Chunks, cut_up
from ..compiler.compilation import compile_machine
from ..compiler.compiled import Compiled
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.streams import Stream, values
from ..core.summaries import Facts, names, summarised
from ..core.vvalues import from_paths, paths
from .network_programs import Keys, ProgramCache
from .samples import Question, Rows, Sample


class _Alphabet(NamedTuple):
    """The strings over one alphabet."""

    runner: ChunkRunner
    chunks: Mapping[str, Chunks]  # by set of strings
    kinds: Mapping[str, Sequence[str]]  # by set of strings: the kind of string of each chunk


@summarised
class Evaluator:
    """Evaluates machines on sets of strings, with one compiled machine that has all their links.

    Args:
        machine: has all links that an evaluated machine may have; their weights do not matter.
        samples: the sets, such as ``{"validation": ..., "test": ...}``.

    Raises :class:`~dmmlab.core.errors.LabError` for an empty set.
    """

    def __init__(self, machine: Machine, samples: Mapping[str, Sequence[Sample]]):
        if not samples or not all(map(len, samples.values())):
            raise LabError("no strings to be evaluated on")
        self._lock = threading.Lock()  # concurrent threads compile only once
        alphabets = dict.fromkeys(sample.letters for each in samples.values() for sample in each)
        whole = any(sample.rows for each in samples.values() for sample in each)
        with jax.enable_x64(True):
            self._alphabets = [
                _alphabet(machine, {name: [s for s in each if s.letters == letters] for name, each in samples.items()}, whole)
                for letters in alphabets
            ]

    def errors(self, machine: Machine, name: str = "validation") -> dict[str, float]:
        """Returns the largest absolute error of any answer in any cycle.

        Args:
            machine: the machine to evaluate.
            name: the name of the set of strings.

        Returns:
            The error for each kind of string; infinite if an answer is not finite.

        Raises:
            LayoutError: the machine has a link that the evaluator's machine lacks.
        """
        worst: dict[str, float] = {}
        with self._lock, jax.enable_x64(True):
            for alphabet in self._alphabets:
                if name in alphabet.chunks:
                    weights = alphabet.runner.compiled.weights(machine.soft)
                    errors = alphabet.runner(weights, alphabet.chunks[name]).tolist()
                    for kind, error in zip(alphabet.kinds[name], errors, strict=True):
                        worst[kind] = max(worst.get(kind, 0.0), error)
        return worst

    def max_abs_error(self, machine: Machine, name: str = "validation") -> float:
        """Returns the largest of :meth:`errors` over all kinds of strings; same arguments."""
        return max(self.errors(machine, name).values())

    def _summary(self) -> tuple[str, Facts]:
        kinds: dict[str, list[str]] = {}
        for alphabet in self._alphabets:
            for name, each in alphabet.kinds.items():
                kinds.setdefault(name, []).extend(each)
        return "Evaluator, in double precision", [(name, names(dict.fromkeys(each), 4)) for name, each in kinds.items()]


def max_abs_errors(problem: Question, machine: Machine, seed: int = 0) -> dict[str, float]:
    """Returns the largest error of a machine on the validation and test strings of a problem.

    Args:
        problem: the problem.
        machine: any machine with the problem's answers.
        seed: the seed of the test strings.

    Returns:
        For ``validation`` and ``test`` the largest absolute error of any answer in any cycle.

    Raises:
        LabError: the machine does not give those answers.
    """
    wanted = [("output", name) for name in problem.answers]
    evaluator = Evaluator(machine, {"validation": problem.validation(), "test": problem.test(seed)})
    if any(list(alphabet.runner.compiled.answer_ports) != wanted for alphabet in evaluator._alphabets):
        raise LabError(f"the machine does not answer {', '.join(f'output.{name}' for name in problem.answers)}")
    return {name: evaluator.max_abs_error(machine, name) for name in ("validation", "test")}


def _alphabet(machine: Machine, samples: Mapping[str, Sequence[Sample]], whole: bool) -> _Alphabet:
    together = [sample for each in samples.values() for sample in each]
    runner = _runners(machine, all_keys(together), whole)
    chunks, kinds = {}, {}
    for name, each in samples.items():
        if each:
            chunks[name], kinds[name] = _chunks(runner.compiled, each)
    return _Alphabet(runner, chunks, kinds)


def _chunks(compiled: Compiled, samples: Sequence[Sample]) -> tuple[Chunks, list[str]]:
    inputs: dict[int, list[np.ndarray]] = {b: [] for b in range(len(compiled.layout.blocks))}
    targets, begins, kinds = [], [], []
    for sample in samples:
        for b, array in compiled.encode(sample.streams, sample.cycles).items():
            inputs[b].append(cut_up(np.asarray(array), CHUNK))
        right = np.stack([*targets_of(compiled, sample), _out_of_reach(compiled, sample)])
        targets.append(cut_up(right, CHUNK, filler=np.nan))
        begins.append(np.arange(len(targets[-1])) == 0)
        kinds += [sample.kind] * len(targets[-1])
    together = {b: np.concatenate(arrays) for b, arrays in inputs.items()}
    return Chunks(together, np.concatenate(begins), np.concatenate(targets)), kinds


def targets_of(compiled: Compiled, sample: Sample) -> np.ndarray:
    """Returns the targets of a string at the coordinates that the machine can carry.

    Args:
        compiled: the machine.
        sample: the string.

    Returns:
        An array, (:attr:`~dmmlab.compiler.compiled.Compiled.answer_coordinates`, cycles).
    """
    return sample.targets_at(_coordinates(compiled)) if compiled.whole else sample.targets


def _out_of_reach(compiled: Compiled, sample: Sample) -> np.ndarray:
    """Returns the largest target, (cycles,), at coordinates that the machine cannot carry.

    The machine answers 0 there.
    """
    others = sample.beyond(_coordinates(compiled)).values() if compiled.whole else ()
    return np.max([np.zeros(sample.cycles), *map(np.abs, others)], axis=0)


def _coordinates(compiled: Compiled) -> Rows:
    return [(port[1], path) for port, path in compiled.answer_coordinates]


def _runner(machine: Machine, keys: Keys, whole: bool) -> ChunkRunner:
    compiled = compile_machine(machine, keys, 1, whole=whole)

    def largest_error(answers: Answers, targets: jax.Array) -> jax.Array:
        given = compiled.coordinates(answers)
        given = jnp.concatenate([given, jnp.zeros((1, *given.shape[1:]))])  # coordinates that the machine cannot carry
        error = jnp.where(jnp.isnan(targets), 0.0, jnp.abs(given - targets))
        return jnp.nan_to_num(jnp.max(error), nan=jnp.inf, posinf=jnp.inf)

    return ChunkRunner(compiled, largest_error, at_once=64)


_runners = ProgramCache(_runner)  # one compiled program for a network and an alphabet serves all strings


def all_keys(samples: Sequence[Sample]) -> dict[str, Stream]:
    """Returns a stream of one V-value with all keys of all samples, for each neuron that reads."""
    keys: dict[str, dict] = {}
    for sample in samples:
        for name, stream in sample.streams.items():
            for v in stream.events.values():
                keys.setdefault(name, {}).update((path, 1.0) for path, _ in paths(v))
            keys.setdefault(name, {})
    return {name: values([from_paths(each.items())]) for name, each in keys.items()}
