"""Evolution strategies: estimate a gradient from forward runs alone.

Source: Salimans et al. 2017 (arXiv:1703.03864); for the relation to stochastic gradient descent,
Zhang, Clune and Stanley 2017 (arXiv:1712.06564). The method needs no derivative, so it also trains
functions without a useful one, such as a hard threshold. Pairs of runs are independent: they may be
spread over devices, and over processes that JAX has connected (``jax.distributed``).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..compiler.array_operations import on_accelerator
from ..compiler.compiled import Compiled
from ..compiler.weights import Weights
from ..core.errors import LabError
from .batches import Batch
from .losses import squared_error
from .objectives import Imitation, Loss, Penalties

AT_ONCE = 16  # pairs of runs in one array on an accelerator; on a CPU one pair after the other is faster
PAIRS = "pairs"  # the axis of a mesh of devices


class EvolutionStrategy(Imitation):
    """The objective of :class:`~dmmlab.learning.objectives.Imitation` with an estimated gradient.

    With n antithetic pairs of noise ``e_i ~ N(0, 1)`` and the objective ``f``::

        gradient = sum over i of (f(w + scale e_i) - f(w - scale e_i)) e_i / (2 scale n)

    For a small scale and d trained weights, its cosine with the exact gradient is about
    ``1 / sqrt(1 + (d + 1) / n)``.

    Args:
        compiled: the machine.
        pairs: the number of pairs.
        scale: the scale of the noise that is added to the weights.
        regularizers: as for ``Imitation``.
        loss: as for ``Imitation``.
        relative: as for ``Imitation``.
        devices: share the pairs evenly; if left out, one device runs all pairs. If they belong to
            several processes, copy weights and batch to all devices first (:func:`on_all`).

    Raises :class:`~dmmlab.core.errors.LabError` for no pairs, a scale that is not positive, an
    unknown regularizer, or a number of pairs that the devices cannot share evenly.
    """

    def __init__(
        self,
        compiled: Compiled,
        pairs: int,
        scale: float = 0.01,
        regularizers: Sequence[str] = (),
        loss: Loss = squared_error,
        relative: bool = False,
        devices: Sequence[Any] | None = None,
    ):
        super().__init__(compiled, regularizers, loss, relative)
        if not isinstance(pairs, int) or pairs < 1 or not scale > 0:
            raise LabError(f"{pairs!r} pairs, scale {scale!r}: expected one pair or more, and a scale above 0")
        self.pairs, self.scale = pairs, scale
        self.mesh = None if devices is None else _mesh(devices)
        if self.mesh is not None and pairs % self.mesh.size:
            raise LabError(f"{pairs} pairs on {self.mesh.size} devices: each needs as many as any other")

    def value_and_gradient(
        self, parameters: Weights, batch: Batch, mask: Weights, penalties: Penalties, key: Any
    ) -> tuple[jax.Array, list[jax.Array], Weights]:
        """Does the same as in ``Imitation``; needs a key."""
        if key is None:
            raise LabError("an evolution strategy draws random numbers: give a key")

        def noise_of(key: Any) -> Weights:
            keys = jax.random.split(key, len(parameters))
            return [m * jax.random.normal(k, w.shape, w.dtype) for k, w, m in zip(keys, parameters, mask, strict=True)]

        def value(weights: Weights) -> jax.Array:
            return self.error(weights, batch) + self.penalty(weights, penalties)[0]

        def pair(key: Any) -> jax.Array:
            noise = noise_of(key)
            return jnp.stack([value([w + s * self.scale * e for w, e in zip(parameters, noise, strict=True)]) for s in (1, -1)])

        def values_of(keys: Any) -> jax.Array:
            return jax.lax.map(pair, keys, batch_size=AT_ONCE if on_accelerator() else None)

        def weighted_noise(keys: Any, worth: jax.Array) -> Weights:
            def add(total: Weights, one: tuple[Any, jax.Array]) -> tuple[Weights, None]:
                return [t + one[1] * e for t, e in zip(total, noise_of(one[0]), strict=True)], None

            return jax.lax.scan(add, [jnp.zeros(w.shape, w.dtype) for w in parameters], (keys, worth))[0]

        keys = jax.random.split(key, self.pairs)
        values = self._spread(values_of, keys)  # (pairs, 2)
        worth = (values[:, 0] - values[:, 1]) / (2 * self.scale * self.pairs)
        gradient = self._spread(weighted_noise, keys, worth.astype(parameters[0].dtype), is_sum=True)
        loss, (extra, terms) = self.error(parameters, batch), self.penalty(parameters, penalties)
        return loss + extra, [loss, *terms], gradient

    def _spread(self, function: Callable[..., Any], *arrays: Any, is_sum: bool = False) -> Any:
        """Runs a function of arrays with an axis of pairs on all devices; adds up sums."""
        if self.mesh is None:
            return function(*arrays)

        def share(*arrays: Any) -> Any:
            result = function(*arrays)
            return jax.tree.map(lambda x: jax.lax.psum(x, PAIRS), result) if is_sum else result

        pairs, out = jax.sharding.PartitionSpec(PAIRS), jax.sharding.PartitionSpec(*([] if is_sum else [PAIRS]))
        return jax.shard_map(share, mesh=self.mesh, in_specs=(pairs,) * len(arrays), out_specs=out, check_vma=False)(*arrays)


def on_all(devices: Sequence[Any], tree: Any) -> Any:
    """Copies arrays or keys to all of these devices, whichever process they belong to.

    Args:
        devices: for example ``jax.devices()``.
        tree: a pytree of arrays, the same in each process.

    Returns:
        The same arrays, one copy for each device.
    """
    everywhere = jax.sharding.NamedSharding(_mesh(devices), jax.sharding.PartitionSpec())

    def spread(x: Any) -> Any:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(spread(jax.random.key_data(x)))
        array = np.asarray(x)
        return jax.make_array_from_callback(array.shape, everywhere, lambda index: array[index])

    return jax.tree.map(spread, tree)


def _mesh(devices: Sequence[Any]) -> jax.sharding.Mesh:
    return jax.sharding.Mesh(np.asarray(devices), (PAIRS,))
