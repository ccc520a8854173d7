"""The loss, and the regularizers that may be added to it.

The loss is the squared error of the machine's answers. For scalar answers, as in 2022, it compares
scalar parts; for whole V-values it is the squared norm of the difference. A regularizer is a
function of the weights alone; its coefficient is called a penalty.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from ..compiler.compiled import Compiled
from ..compiler.weights import Weights
from .batches import Batch


def squared_error(compiled: Compiled, weights: Weights, batch: Batch) -> jax.Array:
    """Returns ``sum over answers, strings, cycles of loss_mask * (answer - target)^2``.

    If answers are whole V-values, each of their coordinates counts as an answer. A synthesis
    minimises this loss divided by the sum of the squared targets
    (:mod:`dmmlab.learning.objectives`).

    Args:
        compiled: the machine.
        weights: a matrix for each stage.
        batch: the strings, or one string without the axis of strings.

    Returns:
        A number.
    """
    answers = compiled.coordinates(compiled.run(weights, batch.inputs))
    return jnp.sum(batch.loss_mask * (answers - batch.targets) ** 2)


def l1(compiled: Compiled, weights: Weights) -> jax.Array:
    """Returns ``sum of |w|`` over the soft links.

    Args:
        compiled: unused.
        weights: a matrix for each stage.

    Returns:
        A number.
    """
    return sum(jnp.sum(jnp.abs(w)) for w in weights)  # type: ignore[return-value]


def l2(compiled: Compiled, weights: Weights) -> jax.Array:
    """Returns ``sum of w^2`` over the soft links.

    Args:
        compiled: unused.
        weights: a matrix for each stage.

    Returns:
        A number.
    """
    return sum(jnp.sum(w * w) for w in weights)  # type: ignore[return-value]


def row_sum(compiled: Compiled, weights: Weights) -> jax.Array:
    """Returns ``sum over inputs of (sum of its weights - 1)^2``, the "novel" regularizer of 2022.

    Args:
        compiled: the machine; only its inputs with links count.
        weights: a matrix for each stage.

    Returns:
        A number.
    """
    return sum(  # type: ignore[return-value]
        jnp.sum(stage.exists.any(axis=1) * (w.sum(axis=1) - 1.0) ** 2)
        for w, stage in zip(weights, compiled.stages, strict=True)
    )


REGULARIZERS: Mapping[str, Callable[[Compiled, Weights], jax.Array]] = {"l1": l1, "l2": l2, "row_sum": row_sum}
