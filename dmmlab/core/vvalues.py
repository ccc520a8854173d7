"""V-values: vectors with tree-shaped indices.

A V-value is a number, or a dictionary from strings to V-values::

    {"t": 2.0, "e": 1.0, "word": {"length": 4.0}, ":number": 0.5}

Read it as a vector: every leaf is a coordinate, and the path of keys that leads to the leaf is the
name of that coordinate. This is the vector space of Bukatin and Anthony, "Dataflow Matrix Machines
and V-values: a Bridge between Programs and Neural Nets" (arXiv:1712.07447). Vectors are added
coordinate by coordinate, and an absent coordinate is zero. The reserved key ``:number`` holds the
coordinate of the empty path below a key, so ``3.5`` and ``{":number": 3.5}`` are the same vector.

V-values are plain dictionaries, so JAX treats them as pytrees, and ``jax.grad`` with respect to a
tree works unchanged. Every result here is in *canonical form*: no zeros, no empty subtrees, a pure
scalar is a number, and the zero vector is ``{}``. There is one exception: a number that JAX is
tracing is never trimmed. Its value may be zero, but its derivative need not be.

As a consequence, a sum of two trees may have fewer leaves than either. To keep the structure of a
tree of weights, as in an optimizer's update, use ``jax.tree.map`` instead of :func:`add`.

A leaf may also hold many numbers at once. It then has arithmetic, an ``ndim`` that is not zero, and
methods for two operations that combine its numbers: ``total()``, for :func:`dot`, and
``largest(leaves)``, for :func:`max_norm`.
"""

import math
import reprlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from numbers import Number as NumberClass
from typing import Any

import numpy as np

from .errors import LabError

Number = Any  # a Python number, a NumPy or JAX scalar, or a number that JAX is tracing
VValue = Any  # a number, or dict[str, VValue]; mypy cannot express this recursive type with tracers
Path = tuple[str, ...]

NUMBER = ":number"  # the reserved key of the scalar part
MAX_DEPTH = 64  # levels of keys; far above practical use, far below Python's recursion limit
MAX_NESTED = 1_000_000  # maximum number of leaves of an outer product


class VValueError(LabError):
    """Something is not a V-value. ``path`` gives the place."""

    def __init__(self, path: Path, problem: str):
        self.path, self.problem = tuple(path), problem
        super().__init__(f"{show_path(path)}: {problem}")


def add(u: VValue, v: VValue) -> VValue:
    """The sum ``u + v``, coordinate by coordinate."""
    if not isinstance(u, dict) and not isinstance(v, dict):
        return _canonical_number(u + v)
    if isinstance(u, dict) and not u:  # the first step of every sum
        return trim(v)
    u, v = _parts(u), _parts(v)
    total = {key: add(u[key], v[key]) for key in u if key in v}
    return _canonical({key: total[key] if key in total else trim(part) for key, part in (u | v).items()})


def scale(a: Number, v: VValue) -> VValue:
    """The product ``a * v`` of a number and a V-value."""
    if not isinstance(v, dict):
        return _canonical_number(a * v)
    return _canonical({key: scale(a, part) for key, part in v.items()})


def linear_combination(mask: VValue, v: VValue) -> VValue:
    """Returns the sum of ``a * v[path]`` over the leaves ``(path, a)`` of ``mask``. Bilinear.

    This is one row of a matrix, times ``v``. Each numeric leaf of the mask multiplies the whole
    subtree of ``v`` at the leaf's path. So a mask of four levels over a V-value of six levels
    combines V-values of two levels. A leaf of ``v`` at a proper prefix of the path of a mask's leaf
    contributes nothing.
    """
    return _with_products({}, mask, v)


def apply_mask(mask: VValue, v: VValue) -> VValue:
    """Returns the products of :func:`linear_combination`, each at its own path, not summed."""
    total: VValue = {}
    for path, product in _products(mask, v, ()):
        total = add(total, _at(path, product))
    return total


def apply_matrix(matrix: VValue, v: VValue, level: int) -> VValue:
    """Applies :func:`linear_combination` to every row; rows lie ``level`` key levels down.

    The network matrix of a machine,
    ``to_neuron -> to_input -> from_neuron -> from_output -> weight``, has its rows at level 2: one
    for every input of every neuron. A number above that level is not a row and contributes nothing.
    """
    if level == 0:
        return linear_combination(matrix, v)
    if not isinstance(matrix, dict):
        return {}
    results = ((key, apply_matrix(row, v, level - 1)) for key, row in matrix.items() if key != NUMBER)
    return {key: result for key, result in results if not isinstance(result, dict) or result}


def nest(u: VValue, v: VValue) -> VValue:
    """Returns the outer product: the tree with ``u[path] * v`` at each path of ``u``. Bilinear.

    :func:`linear_combination` is its counterpart: ``linear_combination(w, nest(u, v))`` is
    ``dot(w, u) * v`` wherever the leaves of w and u have the same paths.

    Raises :class:`VValueError` if the result would have more than ``MAX_NESTED`` leaves.
    """
    leaves = [sum(1 for _ in islice(paths(part), MAX_NESTED + 1)) for part in (u, v)]
    if leaves[0] * leaves[1] > MAX_NESTED:
        raise VValueError((), f"nest makes a tree of more than {MAX_NESTED:,} leaves, of {leaves[0]:,} and {leaves[1]:,}")
    return _nested(u, v)


def _nested(u: VValue, v: VValue) -> VValue:
    if not isinstance(u, dict):
        return scale(u, v)
    below = _canonical({key: _nested(part, v) for key, part in u.items() if key != NUMBER})
    return add(below, scale(u[NUMBER], v)) if NUMBER in u else below


def dot(u: VValue, v: VValue) -> Number:
    """The inner product: the sum over all common paths of the products of the two leaves."""
    if not isinstance(u, dict) and not isinstance(v, dict):
        product = u * v
        return product if is_plain(product) or not hasattr(product, "total") else product.total()
    u, v = _parts(u), _parts(v)
    return sum((dot(u[key], v[key]) for key in u if key in v), 0.0)


def max_norm(v: VValue) -> Number:
    """The largest absolute value among the leaves, 0.0 for the zero vector.

    If several leaves have this value, the gradient is divided evenly among them (the convention of
    ``jnp.max``).
    """
    leaves = [leaf for _, leaf in paths(v)]
    if all(is_plain(leaf) for leaf in leaves):
        return max(map(abs, leaves), default=0.0)
    for leaf in leaves:
        if hasattr(leaf, "largest"):
            return leaf.largest(leaves)
    import jax.numpy as jnp  # imported here: code without JAX starts ten times faster

    numbers = jnp.stack(jnp.broadcast_arrays(*(1.0 * leaf for leaf in leaves)))
    return jnp.max(numbers * jnp.sign(numbers), axis=0)  # at zero, jnp.abs would have the derivative 1


def number(v: VValue) -> Number:
    """The scalar part: the number itself, the number under ``:number``, or 0.0."""
    return v.get(NUMBER, 0.0) if isinstance(v, dict) else v


def is_plain(x: object) -> bool:
    """Whether ``x`` is a Python or NumPy number (fractions included), not a JAX number."""
    return isinstance(x, (int, float, Fraction, np.number, NumberClass))  # NumberClass last: its check is the slowest


def is_traced(x: object) -> bool:
    """Whether JAX is tracing this number, so that its value is unknown."""
    if is_plain(x):
        return False
    from jax.core import Tracer

    return isinstance(x, Tracer)


def trim(v: VValue) -> VValue:
    """The canonical form: no zeros, no empty subtrees, a scalar as a number, zero as ``{}``."""
    if not isinstance(v, dict):
        return _canonical_number(v)
    return _canonical({key: trim(part) for key, part in v.items()})


def paths(v: VValue) -> Iterator[tuple[Path, Number]]:
    """The coordinates: pairs (path, leaf), in tree order. ``:number`` adds no key to a path."""
    coordinates: list[tuple[Path, Number]] = []
    _collect(v, (), coordinates)
    return iter(coordinates)


def from_paths(coordinates: Iterable[tuple[Path, Number]]) -> VValue:
    """The V-value with these coordinates; the inverse of :func:`paths`. Sums repeated paths."""
    tree: dict[str, VValue] = {}
    for path, leaf in coordinates:
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[NUMBER] = branch[NUMBER] + leaf if NUMBER in branch else leaf
    return trim(tree)


def in_doubles(v: VValue) -> VValue:
    """The V-value with Python floats as leaves."""
    return from_paths((path, float(x)) for path, x in paths(v))


def check(v: VValue, path: Path = ()) -> VValue:
    """Returns ``v`` in canonical form if it is a V-value.

    Raises :class:`VValueError`, which names the path, for a leaf that is not a finite number, a key
    that is not a string, anything but a number under ``:number``, and more than ``MAX_DEPTH``
    levels of keys.
    """
    if not isinstance(v, dict):
        if not _is_finite_number(v):
            raise VValueError(path, f"expected a finite number, got {describe(v)}")
        return _canonical_number(float(v) if isinstance(v, int) else v)  # an integer has no derivative
    if len(path) >= MAX_DEPTH:
        raise VValueError(path[:4], f"nested deeper than {MAX_DEPTH} levels")
    if NUMBER in path:
        raise VValueError(path, "expected a finite number, got a dict")
    for key in v:
        if not isinstance(key, str):
            raise VValueError(path, f"a key must be a string, got {describe(key)}")
    return _canonical({key: check(part, (*path, key)) for key, part in v.items()})


def show_path(path: Path) -> str:
    """Formats a path: ``output/dict-1/:number``; cuts long keys and quotes unusual ones."""
    return "/".join(map(_show_key, path)) or "(root)"


def describe(value: object) -> str:
    """A short ``repr`` on one line, for error messages."""
    return " ".join(reprlib.repr(value.item() if isinstance(value, np.generic) else value).split())


def _show_key(key: str) -> str:
    return key if key.isprintable() and "/" not in key and 0 < len(key) <= 40 else describe(key)


def _with_products(total: VValue, mask: VValue, v: VValue) -> VValue:
    """Adds the products ``mask[path] * v[path]`` to ``total``, one after the other."""
    if not isinstance(mask, dict):
        if isinstance(v, dict) or isinstance(total, dict):
            return add(total, scale(mask, v))
        return _canonical_number(total + mask * v)
    below = v if isinstance(v, dict) else {}
    for key, part in mask.items():
        if key == NUMBER:
            total = add(total, scale(part, v))
        elif key in below:
            total = _with_products(total, part, below[key])
    return total


def _products(mask: VValue, v: VValue, path: Path) -> Iterator[tuple[Path, VValue]]:
    """Yields (path, ``mask[path] * v[path]``) for the mask's leaves whose path ``v`` has."""
    if not isinstance(mask, dict):
        yield path, scale(mask, v)
        return
    for key, part in mask.items():
        if key == NUMBER:
            yield path, scale(part, v)
        elif isinstance(v, dict) and key in v:
            yield from _products(part, v[key], (*path, key))


def _at(path: Path, v: VValue) -> VValue:
    for key in reversed(path):
        v = {key: v}
    return v


def _collect(v: VValue, path: Path, coordinates: list[tuple[Path, Number]]) -> None:
    if not isinstance(v, dict):
        coordinates.append((path, v))
        return
    for key, part in v.items():
        _collect(part, path if key == NUMBER else (*path, key), coordinates)


def _parts(v: VValue) -> dict[str, VValue]:
    return v if isinstance(v, dict) else {NUMBER: v}


def _canonical(parts: dict[str, VValue]) -> VValue:
    """Drops the parts that are zero; each part must already be in canonical form."""
    parts = {key: part for key, part in parts.items() if not (isinstance(part, dict) and not part)}
    return parts[NUMBER] if len(parts) == 1 and NUMBER in parts else parts


def _canonical_number(x: Number) -> VValue:
    if type(x) in (float, int):  # the most common case
        return x if x else {}
    # A traced zero stays: its derivative need not be zero.
    return {} if not is_traced(x) and not getattr(x, "ndim", 0) and x == 0 else x


def _is_finite_number(x: object) -> bool:
    if type(x) is float:  # the most common case
        return math.isfinite(x)
    if isinstance(x, bool | str | bytes | complex) or getattr(x, "ndim", 0) != 0:
        return False
    if hasattr(x, "dtype") and np.dtype(x.dtype).kind not in "iuf":
        return False
    if is_traced(x):
        return True
    try:
        return math.isfinite(float(x))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
