"""Signed samples: streams of random draws from a measure, combined stochastically by links.

A linear stream need not carry vectors. A *signed sample* of a measure is one item and a sign; here
it is a V-value of one leaf, 1 or -1. The *stochastic linear combination* of terms ``w_i x_i`` is
``sign(w_i) x_i`` for one ``i``, chosen with probability ``|w_i| / sum of |w_j|``. Its mean, times
that sum, is the linear combination. If all terms are signed samples, so is their combination,
however many there are. The data in a stream thus stay small even for large measures, such as
images. (M. Bukatin, note on linear streams, 2017.)
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from .errors import LabError
from .summaries import Facts, summarised
from .vvalues import Number, VValue, from_paths, paths, scale

BLOCK = 256  # cycles whose random numbers are drawn at once


def signed_sample(measure: VValue, u: float) -> VValue:
    """Draws a signed sample of a measure.

    Args:
        measure: a V-value; each leaf is the measure of its path, of either sign.
        u: a uniform random number in [0, 1).

    Returns:
        One path p with the leaf ``sign(m_p)``, with probability ``|m_p| / sum of |m_q|``; ``{}``
        for the zero measure. Its mean, times that sum, is the measure.
    """
    leaves = list(paths(measure))
    chosen = _choose([x for _, x in leaves], u)
    return {} if chosen is None else from_paths([(leaves[chosen][0], float(np.sign(leaves[chosen][1])))])


def stochastic_combination(terms: Iterable[tuple[Number, VValue]], u: float) -> VValue:
    """Draws the stochastic linear combination of V-values.

    Args:
        terms: pairs of a weight and a V-value.
        u: a uniform random number in [0, 1).

    Returns:
        ``sign(w_i) x_i``, with probability ``|w_i| / sum of |w_j|``; ``{}`` if there are no terms.
    """
    terms = list(terms)
    chosen = _choose([weight for weight, _ in terms], u)
    return {} if chosen is None else scale(float(np.sign(terms[chosen][0])), terms[chosen][1])


@summarised
class StochasticDown:
    """A stochastic down movement: each input gets the stochastic combination of its terms.

    For ``combine`` of :func:`~dmmlab.core.engine.run`. Each random number depends only on the key,
    the cycle, and the names of the neuron and its input.

    Args:
        key: a JAX key.
    """

    def __init__(self, key: Any):
        self._key = key
        self._numbers = lru_cache(maxsize=1024)(self._block)

    def __call__(self, cycle: int, matrix: VValue, outputs: VValue) -> VValue:
        """Computes the inputs, as :func:`~dmmlab.core.engine.down` does.

        Args:
            cycle: counted from 0.
            matrix: ``to_neuron -> to_input -> from_neuron -> from_output -> weight``.
            outputs: ``neuron -> output -> V-value``, of the previous cycle.

        Returns:
            ``neuron -> input -> V-value``.
        """
        inputs: dict = {}
        for neuron, fields in matrix.items():
            for field, sources in fields.items():
                terms = [(w, outputs.get(m, {}).get(o, {})) for m, by_output in sources.items() for o, w in by_output.items()]
                u = self._numbers(f"{neuron}.{field}", cycle // BLOCK)[cycle % BLOCK]
                brought = stochastic_combination(terms, float(u))
                if brought != {}:
                    inputs.setdefault(neuron, {})[field] = brought
        return inputs

    def _summary(self) -> tuple[str, Facts]:
        return "StochasticDown: a down movement that draws", ()

    def _block(self, port: str, block: int) -> np.ndarray:
        import jax

        mine = jax.random.fold_in(jax.random.fold_in(self._key, zlib.crc32(port.encode())), block)
        return np.asarray(jax.random.uniform(mine, (BLOCK,)))


def _choose(weights: list[Number], u: float) -> int | None:
    """Draws an index with probability proportional to |weight|; None if all are zero."""
    if not 0 <= u < 1:
        raise LabError(f"u {u!r}: expected a uniform random number, from 0 on and below 1")
    sums = np.cumsum(np.abs(np.asarray(weights, float)))
    if not len(sums) or sums[-1] == 0:
        return None
    return int(np.searchsorted(sums, u * sums[-1], side="right"))
