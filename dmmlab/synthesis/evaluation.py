"""Strings to be tested on: longer, denser, sparser, and over larger alphabets than those that were learned from.

All strings over one alphabet lie one behind the other, in chunks, so that one compiled program runs them in one call. In double
precision, since a string of thousands of characters adds up thousands of roundings.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.array_operations import Arrays
from ..compiler.compiled import Compiled, Weights, compile_machine
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.streams import Stream, values
from ..core.vvalues import from_paths, paths
from .problems import Problem, Sample

CHUNK = 250  # cycles that are run at a time


class _Part(NamedTuple):
    """Held-out strings over one alphabet, cut into chunks that lie one behind the other."""

    compiled: Compiled
    data: Arrays  # chunks x ports x keys x cycles
    target: jax.Array  # chunks x answers x cycles, NaN where nothing is asked
    first: jax.Array  # whether a chunk begins a string
    about: tuple[str, ...]  # of each chunk
    errors: Callable


class HeldOut:
    """The strings to be tested on, and a machine with all links that the tested ones may have.

    In double precision, since a string of thousands of characters adds up thousands of roundings.
    """

    def __init__(self, problem: Problem, machine: Machine, samples: Sequence[Sample] | None = None):
        samples = problem.heldout() if samples is None else list(samples)
        if not samples:
            raise LabError("no strings to be tested on")
        with jax.enable_x64(True):
            self._parts = [
                _part(machine, [sample for sample in samples if sample.letters == letters])
                for letters in dict.fromkeys(sample.letters for sample in samples)
            ]

    def errors(self, machine: Machine) -> dict[str, float]:
        """The largest absolute error of any answer in any cycle, for each kind of string; infinite if one is."""
        worst: dict[str, float] = {}
        with jax.enable_x64(True):
            for part in self._parts:
                found = part.errors(part.compiled.weights(machine.soft), part.data, part.target, part.first)
                for about, error in zip(part.about, np.asarray(found).tolist(), strict=True):
                    worst[about] = max(worst.get(about, 0.0), error)
        return worst

    def worst(self, machine: Machine) -> float:
        """The largest of :meth:`errors`."""
        return max(self.errors(machine).values())


def _part(machine: Machine, samples: Sequence[Sample]) -> _Part:
    compiled = compile_machine(machine, all_keys(samples), 1)
    blocks: dict[int, list[np.ndarray]] = {b: [] for b in range(len(compiled.layout.blocks))}
    targets, first, about = [], [], []
    for sample in samples:
        chunks = -(-sample.cycles // CHUNK)
        for b, array in compiled.encode(sample.streams, chunks * CHUNK).items():
            blocks[b].append(_in_chunks(np.asarray(array), chunks))
        padding = ((0, 0), (0, chunks * CHUNK - sample.cycles))
        targets.append(_in_chunks(np.pad(sample.target, padding, constant_values=np.nan), chunks))
        first += [True] + [False] * (chunks - 1)
        about += [sample.about] * chunks
    data = {b: jnp.asarray(np.concatenate(arrays)) for b, arrays in blocks.items()}
    errors = jax.jit(partial(_largest_errors, compiled))
    return _Part(compiled, data, jnp.asarray(np.concatenate(targets)), jnp.asarray(first), tuple(about), errors)


def _largest_errors(compiled: Compiled, weights: Weights, data: Arrays, target: jax.Array, first: jax.Array) -> jax.Array:
    """The largest error in each chunk."""

    def one(carry: Arrays, chunk: tuple[Arrays, jax.Array, jax.Array]) -> tuple[Arrays, jax.Array]:
        data, target, begins = chunk
        arrived, carry = compiled.run_on(weights, data, jax.tree.map(lambda x: jnp.where(begins, 0.0, x), carry))
        error = jnp.where(jnp.isnan(target), 0.0, jnp.abs(arrived[0][:, 0] - target))
        return carry, jnp.nan_to_num(jnp.max(error), nan=jnp.inf, posinf=jnp.inf)

    return jax.lax.scan(one, compiled.nothing({b: x[0] for b, x in data.items()}), (data, target, first))[1]


def _in_chunks(array: np.ndarray, chunks: int) -> np.ndarray:
    """(..., chunks * cycles) -> (chunks, ..., cycles)."""
    return np.moveaxis(array.reshape(*array.shape[:-1], chunks, CHUNK), -2, 0)


def all_keys(samples: Sequence[Sample]) -> dict[str, Stream]:
    """For each reading neuron, a stream of one V-value that has all keys of all samples."""
    found: dict[str, dict] = {}
    for sample in samples:
        for name, stream in sample.streams.items():
            for v in stream.events.values():
                found.setdefault(name, {}).update((path, 1.0) for path, _ in paths(v))
            found.setdefault(name, {})
    return {name: values([from_paths(keys.items())]) for name, keys in found.items()}
