"""Arrays as V-values: images, sounds, vectors, complex numbers.

An array is a tree whose keys are indices, ``{"0": {"0": 0.5, "1": 2.0}}`` for a matrix of one row;
a complex number has the keys ``re`` and ``im``. Zeros are left out, as in all V-values. Both
engines therefore run streams of arrays unchanged; the compiled one puts the entries side by side in
one block.

:func:`~dmmlab.core.vvalues.max_norm` of a complex array is the largest absolute value of a real or
imaginary part, not the largest modulus.
"""

import math
from itertools import product
from typing import Any

import numpy as np

from .vvalues import Path, VValue, VValueError, check, is_traced, paths

PARTS = ("re", "im")
MAX_ENTRIES = 100_000_000  # maximum number of entries of an array


def from_array(array: Any) -> VValue:
    """Converts an array of numbers to a V-value.

    Args:
        array: a NumPy or JAX array, or anything that NumPy converts to an array; of any shape, real
            or complex. JAX may be tracing it.

    Returns:
        A tree with a level of keys for each axis, and one more for complex numbers; ``{}`` for an
        array without entries.

    Raises:
        VValueError: a number that is not finite, with its index; entries that are not numbers; or a
            masked array.
    """
    if not is_traced(array):
        try:
            array = np.asarray(None if np.ma.isMaskedArray(array) else array)
        except (TypeError, ValueError) as error:
            raise VValueError((), f"expected an array of numbers: {error}") from None
    if np.dtype(array.dtype).kind not in "iufc":
        raise VValueError((), f"expected an array of numbers, got one of {array.dtype}")
    return check(_tree(array))


def to_array(v: VValue, shape: tuple[int, ...], is_complex: bool = False) -> Any:
    """Converts a V-value to an array; the inverse of :func:`from_array`.

    Args:
        v: a tree of indices; JAX may be tracing its numbers.
        shape: the array's shape, with 100 million entries at most.
        is_complex: whether its numbers are complex.

    Returns:
        The array, zero where the tree has no entry; a JAX array if JAX is tracing.

    Raises:
        VValueError: a path that is not an index of such an array; something that is not a V-value;
            or an invalid shape.
    """
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) > MAX_ENTRIES:
        raise VValueError((), f"shape {shape!r}: expected whole numbers, of {MAX_ENTRIES:,} entries at most")
    numbers = dict(paths(check(v)))
    for path in numbers:
        index = path[:-1] if is_complex and path else path
        part = (PARTS.index(path[-1]),) if is_complex and path and path[-1] in PARTS else ()
        if len(index) != len(shape) or bool(part) != is_complex or not all(map(_is_index, index, shape)):
            kind = "a complex" if is_complex else "an"
            raise VValueError(path, f"is no index of {kind} array of shape {shape}")
    full = (*shape, 2) if is_complex else shape
    if any(map(is_traced, numbers.values())):
        import jax.numpy as jnp

        zero = jnp.zeros(())
        entries = [jnp.asarray(numbers.get(path, zero), zero.dtype) for path in entry_paths(shape, is_complex)]
        array: Any = jnp.stack(entries).reshape(full)
    else:
        array = np.zeros(full)
        for path, leaf in numbers.items():
            array[(*map(int, path[: len(shape)]), *map(PARTS.index, path[len(shape) :]))] = leaf
    return array[..., 0] + 1j * array[..., 1] if is_complex else array


def entry_paths(shape: tuple[int, ...], is_complex: bool = False) -> list[Path]:
    """The paths of an array's numbers, in order; real parts precede imaginary parts."""
    keys = [list(map(str, range(size))) for size in shape] + ([list(PARTS)] if is_complex else [])
    return list(product(*keys))


def _tree(array: Any) -> VValue:
    if array.ndim:
        return {str(i): _tree(array[i]) for i in range(len(array))}
    if np.dtype(array.dtype).kind == "c":
        return {"re": _leaf(array.real), "im": _leaf(array.imag)}
    return _leaf(array)


def _leaf(x: Any) -> Any:
    return x if is_traced(x) else float(x)


def _is_index(key: str, size: int) -> bool:
    """Whether ``key`` is ``str(i)`` for an index ``i < size``; overlong keys are not parsed."""
    return len(key) <= len(str(size)) and key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < size
