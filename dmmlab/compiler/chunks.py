"""Cuts long streams into chunks, so that the arrays in use fit the cache.

A chunk starts from the last outputs of the previous chunk, or from zero where a new string begins.
So many strings can be concatenated, and one compiled program runs them all.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..core.errors import LabError
from ..core.summaries import Facts, summarised
from .array_operations import Answers

CHUNK = 100  # default number of cycles in a chunk
Summary = Callable[[Answers, Any], Any]


@summarised
class Chunks(NamedTuple):
    """Streams cut into chunks."""

    inputs: Mapping[int, Any]  # by block: (chunks, boundary ports, keys, cycles of a chunk)
    begins: Any  # (chunks,): whether a chunk begins a string
    more: Any = None  # other data for each chunk: arrays (chunks, ...)

    def _summary(self) -> tuple[str, Facts]:
        blocks = [(f"block {b}", f"{' x '.join(map(str, x.shape))}") for b, x in self.inputs.items()]
        return f"Chunks: {self.begins.shape[0] if self.begins.ndim else 1} (chunks, ports, keys, cycles)", blocks


def cut_up(array: Any, chunk: int, filler: float = 0.0) -> Any:
    """Cuts an array into chunks of cycles, the last one padded.

    Args:
        array: (..., cycles).
        chunk: the number of cycles in a chunk.
        filler: the padding value.

    Returns:
        An array (chunks, ..., cycles of a chunk), a NumPy array if ``array`` is one.

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
        cycles: the original number of cycles; the padding is cut off.

    Returns:
        An array (..., cycles).
    """
    xp: Any = np if isinstance(array, np.ndarray) else jnp
    array = xp.moveaxis(array, 0, -2)
    return array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])[..., :cycles]
