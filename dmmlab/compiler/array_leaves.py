"""Blocks: leaves that stand for many coordinates at once.

The compiled machine avoids tracing a tree of a thousand scalars one by one. It passes a neuron's
function a V-value in which one leaf is a :class:`Block`, an array with an axis for many keys. The
algebra treats all keys alike, so :func:`~dmmlab.core.vvalues.add`, ``scale``, ``dot`` and
``max_norm`` work on blocks unchanged; ``dot`` calls :meth:`Block.total`, and ``max_norm`` calls
:func:`largest`.

A number may have axes too (neurons, cycles). A block has one more axis than a number, for its keys;
it is the second to last.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp


@jax.tree_util.register_pytree_node_class
class Block:
    """An array (..., keys, cycles) that behaves as one number in elementwise arithmetic."""

    ndim = 1  # several numbers, so the algebra does not test whether it is zero
    __slots__ = ("array",)

    def __init__(self, array: Any):
        self.array = array

    def total(self) -> Any:
        """The sum over the keys."""
        return jnp.sum(self.array, axis=-2)

    def largest(self, leaves: Sequence[Any]) -> Any:
        """As :func:`largest`; this block is one of the leaves."""
        return largest(leaves)

    def __add__(self, other: Any) -> "Block":
        return Block(self.array + _like_a_block(other))

    def __mul__(self, other: Any) -> "Block":
        return Block(self.array * _like_a_block(other))

    def __neg__(self) -> "Block":
        return Block(-self.array)

    def __sub__(self, other: Any) -> "Block":
        return Block(self.array - _like_a_block(other))

    def __rsub__(self, other: Any) -> "Block":
        return Block(_like_a_block(other) - self.array)

    __radd__, __rmul__ = __add__, __mul__

    def tree_flatten(self):
        return (self.array,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def _like_a_block(x: Any) -> Any:
    if isinstance(x, Block):
        return x.array
    return x[..., None, :] if jnp.ndim(x) else x


def largest(leaves: Sequence[Any]) -> Any:
    """The largest absolute value among leaves that are JAX numbers or blocks of them.

    If several coordinates have this value, the gradient is divided evenly among all of them.
    """
    return _largest([leaf if isinstance(leaf, Block) else 1.0 * leaf for leaf in leaves])


@jax.custom_jvp
def _largest(leaves: list[Any]) -> Any:
    sizes = [jnp.max(jnp.abs(x.array), axis=-2) if isinstance(x, Block) else jnp.abs(x) for x in leaves]
    return reduce(jnp.maximum, sizes)


@_largest.defjvp
def _largest_jvp(primals, tangents):
    (leaves,), (directions,) = primals, tangents
    result = _largest(leaves)
    count: Any = 0.0
    moved: Any = 0.0
    for leaf, direction in zip(leaves, directions, strict=True):
        array = leaf.array if isinstance(leaf, Block) else leaf
        share = jnp.where(jnp.abs(array) == (result[..., None, :] if isinstance(leaf, Block) else result), jnp.sign(array), 0.0)
        change = share * (direction.array if isinstance(leaf, Block) else direction)
        count += jnp.sum(jnp.abs(share), axis=-2) if isinstance(leaf, Block) else jnp.abs(share)
        moved += jnp.sum(change, axis=-2) if isinstance(leaf, Block) else change
    return result, moved / jnp.maximum(count, 1.0)
