"""The proximal step of L1: after each update, weights move towards zero and stop there.

It is not part of the optax update, because it needs the weights after the update.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from ..compiler.weights import Weights
from ..core.errors import LabError
from .objectives import Penalties

EPSILON = 1e-9  # in the denominator


def proximal_l1(weights: Weights, optimizer_state: Any, learning_rate: Any, penalties: Penalties) -> Weights:
    """Returns ``sign(w) * max(|w| - learning_rate * penalty / (sqrt(v) + epsilon), 0)``.

    Here ``v`` is Adam's mean square of the gradient. Adam scales the step of each weight by
    ``1 / sqrt(v)``. The proximal operator of ``penalty * |w|`` (soft thresholding) is scaled in the
    same way, as for a gradient step in that metric.

    Args:
        weights: the weights after the update.
        optimizer_state: contains the state of ``optax.scale_by_adam()``.
        learning_rate: the learning rate of this step.
        penalties: only ``l1`` is used.

    Returns:
        The weights, some of them exactly zero.

    Raises:
        LabError: the optimizer is not Adam.
    """
    nodes = jax.tree.leaves(optimizer_state, is_leaf=lambda x: isinstance(x, optax.ScaleByAdamState))
    adam = next((node for node in nodes if isinstance(node, optax.ScaleByAdamState)), None)
    if adam is None:
        raise LabError("the proximal step needs Adam's state: use optax.scale_by_adam()")
    mean_square = optax.tree.bias_correction(adam.nu, 0.999, adam.count)
    shrinkage = [learning_rate * penalties["l1"] / (jnp.sqrt(v) + EPSILON) for v in mean_square]
    return [jnp.sign(w) * jnp.maximum(jnp.abs(w) - d, 0.0) for w, d in zip(weights, shrinkage, strict=True)]
