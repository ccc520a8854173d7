"""Blocks: leaves that stand for many coordinates at once.

The compiled machine does not want a tree of a thousand scalars to be traced one by one. It hands a neuron's function a
V-value in which one leaf is a :class:`Block`, an array with one entry for each of many keys. Since the algebra treats
all keys alike, :func:`~dmmlab.vvalues.add`, ``scale``, ``dot`` and ``max_norm`` work on blocks as they are; only
``dot`` and ``max_norm`` need to know that a leaf is several numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp


@jax.tree_util.register_pytree_node_class
class Block:
    """An array of coordinates that behaves as one number in elementwise arithmetic."""

    __slots__ = ("array",)

    def __init__(self, array: Any):
        self.array = array

    def total(self) -> Any:
        """The sum of its coordinates."""
        return jnp.sum(self.array, axis=0)

    def __abs__(self) -> "Block":
        return Block(jnp.abs(self.array))

    def __neg__(self) -> "Block":
        return Block(-self.array)

    def tree_flatten(self):
        return (self.array,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def _elementwise(operation: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Block, Any], Block]:
    def method(self: Block, other: Any) -> Block:
        right = other.array if isinstance(other, Block) else other
        return Block(operation(right, self.array) if reflected else operation(self.array, right))

    return method


for _name, _operation in {"add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply}.items():
    setattr(Block, f"__{_name}__", _elementwise(_operation, reflected=False))
    setattr(Block, f"__r{_name}__", _elementwise(_operation, reflected=True))


def largest(leaves: Sequence[Any]) -> Any:
    """The largest absolute value among leaves that are JAX numbers or blocks of them.

    Where several coordinates share it, the gradient is divided evenly among all of them.
    """
    return _largest([leaf.array if isinstance(leaf, Block) else 1.0 * leaf for leaf in leaves])


@jax.custom_jvp
def _largest(arrays: list[Any]) -> Any:
    sizes = [jnp.max(jnp.abs(array)) for array in arrays]
    return sizes[0] if len(sizes) == 1 else jnp.max(jnp.stack(sizes))


@_largest.defjvp
def _largest_jvp(primals, tangents):
    (arrays,), (directions,) = primals, tangents
    result = _largest(arrays)
    shares = [jnp.where(jnp.abs(array) == result, 1.0, 0.0) for array in arrays]
    count = sum(jnp.sum(share) for share in shares)
    moved = sum(jnp.sum(s * jnp.sign(a) * d) for s, a, d in zip(shares, arrays, directions, strict=True))
    return result, moved / count
