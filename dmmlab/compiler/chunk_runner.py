"""One compiled program for streams of any length: each call runs a fixed number of chunks."""

from functools import partial
from typing import Any

import jax
import numpy as np

from ..core.summaries import Facts, plural, summarised
from .chunks import Chunks, Summary
from .compiled import Compiled
from .weights import Weights


@summarised
class ChunkRunner:
    """Scans streams of any length with one compilation.

    The results are those of :meth:`~dmmlab.compiler.compiled.Compiled.scan_chunks`.

    Args:
        compiled: the machine.
        summary: as for ``scan_chunks``.
        at_once: the number of chunks in one call of the compiled program.
    """

    def __init__(self, compiled: Compiled, summary: Summary, at_once: int = 16):
        self.compiled, self.at_once = compiled, at_once
        self._scan = jax.jit(partial(compiled.scan_chunks, summary))

    def __call__(self, weights: Weights, chunks: Chunks) -> Any:
        """Returns the summaries of all chunks: arrays (chunks, ...)."""
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
