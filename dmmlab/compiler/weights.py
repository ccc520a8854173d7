"""The weights of a compiled machine: one matrix for each stage, input ports x output ports.

A mask has the same shapes, with 1.0 where a link may exist. A weight of zero means that there is no
link.
"""

import jax
import jax.numpy as jnp
import numpy as np

Weights = list[jax.Array]  # one (input ports, output ports) for each stage


def masked(weights: Weights, mask: Weights) -> Weights:
    """The weights times a mask, elementwise.

    Args:
        weights: a matrix for each stage.
        mask: matrices of the same shapes; 0.0 cuts a link.

    Returns:
        A matrix for each stage.
    """
    return [w * m for w, m in zip(weights, mask, strict=True)]


def support(weights: Weights) -> Weights:
    """The mask that keeps removed links at zero: 1.0 where a weight is not zero."""
    return [jnp.asarray(np.asarray(w) != 0, w.dtype) for w in weights]


def count_links(weights: Weights) -> int:
    """The number of links, that is, of nonzero weights."""
    return int(sum(np.count_nonzero(np.asarray(w)) for w in weights))


def is_finite(weights: Weights) -> bool:
    """Whether all weights are finite numbers."""
    return all(bool(np.isfinite(np.asarray(w)).all()) for w in weights)


def flatten(weights: Weights) -> np.ndarray:
    """All weights in one array, (weights,)."""
    return np.concatenate([np.asarray(w).ravel() for w in weights])


def unflatten(array: np.ndarray, like: Weights) -> Weights:
    """The inverse of :func:`flatten`.

    Args:
        array: (weights,).
        like: weights whose shapes and precision the result has.

    Returns:
        A matrix for each stage.
    """
    parts = np.split(array, np.cumsum([w.size for w in like])[:-1])
    return [jnp.asarray(part.reshape(w.shape), w.dtype) for part, w in zip(parts, like, strict=True)]
