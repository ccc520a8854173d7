"""The loss, and the regularizers that may be added to it.

What is minimised is the squared error of the machine's answers: of their scalar parts, as in 2022,
or of whole V-values, the squared norm of the difference. A regularizer is
a function of the weights alone; its coefficient is called a penalty.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from ..compiler.compiled import Compiled
from ..compiler.weights import Weights
from .batches import Batch


def squared_error(compiled: Compiled, weights: Weights, batch: Batch) -> jax.Array:
    """``sum over answers, strings, cycles of loss_mask * (answer - target)^2``.

    Where answers are whole V-values, each of their coordinates is one.

    A synthesis minimises it as a part of the sum of the squared targets
    (:mod:`dmmlab.learning.objectives`).

    Args:
        compiled: the machine.
        weights: a matrix for each stage.
        batch: strings, or one string without its axis.

    Returns:
        A number.
    """
    answers = compiled.coordinates(compiled.run(weights, batch.inputs))
    return jnp.sum(batch.loss_mask * (answers - batch.targets) ** 2)


def l1(compiled: Compiled, weights: Weights) -> jax.Array:
    """``sum of |w|`` over the soft links.

    Args:
        compiled: unused.
        weights: a matrix for each stage.

    Returns:
        A number.
    """
    return sum(jnp.sum(jnp.abs(w)) for w in weights)  # type: ignore[return-value]


def l2(compiled: Compiled, weights: Weights) -> jax.Array:
    """``sum of w^2`` over the soft links.

    Args:
        compiled: unused.
        weights: a matrix for each stage.

    Returns:
        A number.
    """
    return sum(jnp.sum(w * w) for w in weights)  # type: ignore[return-value]


def row_sum(compiled: Compiled, weights: Weights) -> jax.Array:
    """``sum over inputs of (sum of the weights into it - 1)^2``, the "novel" regularizer of 2022.

    Args:
        compiled: the machine, which says what inputs have links.
        weights: a matrix for each stage.

    Returns:
        A number.
    """
    return sum(  # type: ignore[return-value]
        jnp.sum(stage.exists.any(axis=1) * (w.sum(axis=1) - 1.0) ** 2)
        for w, stage in zip(weights, compiled.stages, strict=True)
    )


REGULARIZERS: Mapping[str, Callable[[Compiled, Weights], jax.Array]] = {"l1": l1, "l2": l2, "row_sum": row_sum}
