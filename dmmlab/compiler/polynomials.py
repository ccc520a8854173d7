"""Polynomial neuron types on arrays: a list of products, instead of one operation for each key.

``nest``, ``lookup`` and similar functions multiply coordinates and add the products. Traced by JAX
key by key, a memory of 40 x 40 keys becomes thousands of scalar operations, which take minutes to
compile. Instead, such a function is called once, on V-values whose leaves record the operations on
them. The result is, for each output coordinate, a sum of products of input coordinates. All
products are computed at once, by a gather of the factors and a segment sum.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.errors import LabError
from ..core.neuron_type import NeuronType
from ..core.vvalues import Path, from_paths, paths, trim

Monomial = tuple[int, ...]  # the input coordinates that are multiplied, in order


class Polynomial:
    """A sum of products of input coordinates; a leaf of a V-value that records arithmetic.

    Args:
        terms: the coefficient of each product.
    """

    def __init__(self, terms: Mapping[Monomial, float]):
        self.terms = {monomial: float(c) for monomial, c in terms.items() if c}

    def __add__(self, other: "Polynomial | float") -> "Polynomial":
        terms = dict(self.terms)
        for monomial, c in _terms(other).items():
            terms[monomial] = terms.get(monomial, 0.0) + c
        return Polynomial(terms)

    def __mul__(self, other: "Polynomial | float") -> "Polynomial":
        terms: dict[Monomial, float] = {}
        for one, c in self.terms.items():
            for two, d in _terms(other).items():
                product = tuple(sorted(one + two))
                terms[product] = terms.get(product, 0.0) + c * d
        return Polynomial(terms)

    def __neg__(self) -> "Polynomial":
        return -1.0 * self

    def __sub__(self, other: "Polynomial | float") -> "Polynomial":
        return self + -1.0 * other

    def __rsub__(self, other: float) -> "Polynomial":
        return -1.0 * self + other

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial | int | float) and self.terms == _terms(other)

    __hash__ = None  # type: ignore[assignment]


def _terms(x: "Polynomial | float") -> Mapping[Monomial, float]:
    return x.terms if isinstance(x, Polynomial) else {(): float(x)} if x else {}


class Products(NamedTuple):
    """Products of equally many factors: ``out[to] += coefficient * product of x[factors]``.

    ``factors`` has the shape (products, degree) and is sorted by ``to``.
    """

    factors: np.ndarray
    coefficients: np.ndarray
    to: np.ndarray


def evaluate(
    kind: NeuronType, input_paths: Sequence[tuple[Path, ...]], output_paths: Sequence[tuple[Path, ...]], x: jax.Array
) -> list[jax.Array]:
    """Computes the outputs of neurons of a polynomial type.

    Args:
        kind: the type.
        input_paths: for each input, its coordinates.
        output_paths: for each output, the wanted coordinates.
        x: the coordinates of all inputs, concatenated: (neurons, coordinates, points).

    Returns:
        For each output, (neurons, coordinates, points).

    Raises:
        LabError: the function uses operations other than addition and multiplication.
    """
    size = sum(map(len, output_paths))
    out = jnp.zeros((x.shape[0], size, x.shape[2]), x.dtype)
    for products in _products(kind, tuple(input_paths), tuple(output_paths)):
        terms = jnp.asarray(products.coefficients, x.dtype)[None, :, None]
        for factor in products.factors.T:
            terms = terms * x[:, factor]
        terms = jnp.broadcast_to(terms, (x.shape[0], len(products.to), x.shape[2]))
        total = jax.ops.segment_sum(jnp.moveaxis(terms, 1, 0), products.to, size, indices_are_sorted=True)
        out = out + jnp.moveaxis(total, 0, 1)
    return jnp.split(out, np.cumsum([len(each) for each in output_paths])[:-1].tolist(), axis=1)


@lru_cache(maxsize=256)
def _products(
    kind: NeuronType, input_paths: tuple[tuple[Path, ...], ...], output_paths: tuple[tuple[Path, ...], ...]
) -> tuple[Products, ...]:
    counted, inputs = 0, {}
    for name, each in zip(kind.inputs, input_paths, strict=True):
        inputs[name] = from_paths((path, Polynomial({(counted + i,): 1.0})) for i, path in enumerate(each))
        counted += len(each)
    try:
        results = {name: dict(paths(trim(v))) for name, v in kind.activate(inputs).items()}
    except TypeError as error:
        raise LabError(f"neuron type {kind.name!r} is said to be polynomial, and is not: {error}") from error
    wanted = [(name, path) for name, each in zip(kind.outputs, output_paths, strict=True) for path in each]
    found: dict[int, list[tuple[int, Monomial, float]]] = {}
    for to, (name, path) in enumerate(wanted):
        for monomial, c in _terms(results[name].get(path, 0.0)).items():
            found.setdefault(len(monomial), []).append((to, monomial, c))
    return tuple(
        Products(
            np.array([monomial for _, monomial, _ in each], int).reshape(len(each), degree),
            np.array([c for _, _, c in each]),
            np.array([to for to, _, _ in each]),
        )
        for degree, each in sorted(found.items())
    )
