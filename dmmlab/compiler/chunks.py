"""Long streams, chunk by chunk: the arrays in use fit the cache, however long the stream.

A chunk begins from the outputs in which the one before ended, or from zero where another string
begins. So many strings may lie one behind the other, and one compiled program runs them all.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.errors import LabError
from ..core.summaries import Facts, plural, summarised
from .array_operations import Answers, Carry
from .weights import Weights

if TYPE_CHECKING:
    from .compiled import Compiled

CHUNK = 100  # cycles that are run at a time
Summary = Callable[[Answers, Any], Any]


@summarised
class Chunks(NamedTuple):
    """Streams, cut up."""

    inputs: Mapping[int, Any]  # by block: (chunks, boundary ports, keys, cycles of a chunk)
    begins: Any  # (chunks,): whether a chunk begins a string
    more: Any = None  # whatever else belongs to the chunks: arrays (chunks, ...)

    def _summary(self) -> tuple[str, Facts]:
        blocks = [(f"block {b}", f"{' x '.join(map(str, x.shape))}") for b, x in self.inputs.items()]
        return f"Chunks: {self.begins.shape[0] if self.begins.ndim else 1} (chunks, ports, keys, cycles)", blocks


def cut_up(array: Any, chunk: int, filler: float = 0.0) -> Any:
    """Cuts an array into chunks of cycles, the last one padded.

    Args:
        array: (..., cycles).
        chunk: cycles of a chunk.
        filler: what the padding consists of.

    Returns:
        An array (chunks, ..., cycles of a chunk), of NumPy if ``array`` is.

    Raises:
        LabError: chunks of less than one cycle.
    """
    if chunk < 1:
        raise LabError(f"chunks of {chunk} cycles: expected a whole number from 1 on")
    xp: Any = np if isinstance(array, np.ndarray) else jnp
    chunks = -(-array.shape[-1] // chunk)
    padding = [(0, 0)] * (array.ndim - 1) + [(0, chunks * chunk - array.shape[-1])]
    array = xp.pad(array, padding, constant_values=filler)
    return xp.moveaxis(array.reshape(*array.shape[:-1], chunks, chunk), -2, 0)


def join_up(array: Any, cycles: int) -> Any:
    """The inverse of :func:`cut_up`.

    Args:
        array: (chunks, ..., cycles of a chunk).
        cycles: how many cycles there were; the padding is cut off.

    Returns:
        An array (..., cycles).
    """
    xp: Any = np if isinstance(array, np.ndarray) else jnp
    array = xp.moveaxis(array, 0, -2)
    return array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])[..., :cycles]


def scan_chunks(
    compiled: "Compiled", summary: Summary, weights: Weights, chunks: Chunks, carry: Carry | None = None
) -> tuple[Carry, Any]:
    """Runs chunk after chunk; pure and differentiable, for use under ``jit`` and ``grad``.

    Args:
        compiled: the machine.
        summary: ``(answers, more) -> what is kept of a chunk``, a pytree of arrays.
        weights: a matrix for each stage.
        chunks: the streams.
        carry: the outputs before the first chunk; zero, if left out.

    Returns:
        The carry, that is, the outputs of the last cycle; and what was kept: arrays (chunks, ...).
    """
    carry = compiled.initial_carry({b: x[0] for b, x in chunks.inputs.items()}) if carry is None else carry

    def run(carry: Carry, chunk: Chunks) -> tuple[Carry, Any]:
        fresh = jax.tree.map(lambda x: jnp.where(chunk.begins, 0.0, x), carry)
        carry, answers = compiled.run_from(weights, dict(chunk.inputs), fresh)
        return carry, summary(answers, chunk.more)

    return jax.lax.scan(run, carry, chunks)


@summarised
class ChunkRunner:
    """:func:`scan_chunks` for streams of any length with one compilation.

    Args:
        compiled: the machine.
        summary: as for :func:`scan_chunks`.
        at_once: chunks in one call of the compiled program.
    """

    def __init__(self, compiled: "Compiled", summary: Summary, at_once: int = 16):
        self.compiled, self.at_once = compiled, at_once
        self._scan = jax.jit(partial(scan_chunks, compiled, summary))

    def __call__(self, weights: Weights, chunks: Chunks) -> Any:
        """What the summary keeps of each chunk: arrays (chunks, ...)."""
        count, carry, kept = len(chunks.begins), None, []
        for first in range(0, count, self.at_once):
            part = jax.tree.map(lambda x, first=first: _filled_up(x[first : first + self.at_once], self.at_once), chunks)
            if carry is None:
                carry = self.compiled.initial_carry({b: x[0] for b, x in part.inputs.items()})
            carry, summaries = self._scan(weights, part, carry)
            kept.append(jax.tree.map(np.asarray, summaries))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *kept)

    def _summary(self) -> tuple[str, Facts]:
        machine = self.compiled.machine
        return f"ChunkRunner: {plural(self.at_once, 'chunk')} at once", [("soft links", machine.count())]


def _filled_up(array: Any, length: int) -> Any:
    return (
        np.concatenate([array, np.zeros((length - len(array), *array.shape[1:]), array.dtype)])
        if len(array) < length
        else array
    )
