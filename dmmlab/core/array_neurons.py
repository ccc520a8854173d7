"""Neuron types whose functions take and return arrays of declared shapes.

A convolution of an image or the spectrum of a sound takes one line of JAX on an array, but many on
a tree of four hundred numbers. V-values still flow between the neurons
(:mod:`dmmlab.core.arrays_as_trees`), so links combine images like any other V-values::

    spectrum = array_type(
        "spectrum", {"sound": (64,)}, {"spectrum": ArrayShape((33,), is_complex=True)}, jnp.fft.rfft
    )

The compiled machine passes arrays to such a function, for all neurons and cycles at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .arrays_as_trees import entry_paths, from_array, to_array
from .errors import LabError
from .neuron_type import NeuronType
from .summaries import Facts, summarised
from .vvalues import Path, VValue

MOST_ENTRIES = 65_536  # maximum number of entries of a neuron's array


@summarised
@dataclass(frozen=True)
class ArrayShape:
    """The shape of an array, and whether its numbers are complex.

    Raises :class:`~dmmlab.core.errors.LabError` for an invalid shape, and for more than
    ``MOST_ENTRIES`` entries.
    """

    shape: tuple[int, ...]
    is_complex: bool = False

    def __post_init__(self):
        fits = isinstance(self.shape, tuple) and all(type(size) is int and size > 0 for size in self.shape)
        if not fits or self.size > MOST_ENTRIES:
            raise LabError(f"shape {self.shape!r}: expected whole numbers from 1 on, of {MOST_ENTRIES:,} entries at most")

    def __str__(self) -> str:
        return f"{'a complex' if self.is_complex else 'an'} array of shape {self.shape}"

    @property
    def size(self) -> int:
        """The number of real numbers in the array; a complex number has two."""
        return int(np.prod([1, *map(float, self.shape)])) * (2 if self.is_complex else 1)

    def _summary(self) -> tuple[str, Facts]:
        return str(self), {"numbers": f"{self.size:,}"}.items()

    @cached_property
    def entries(self) -> list[Path]:
        """The path of each number, in order."""
        return entry_paths(self.shape, self.is_complex)


@dataclass(frozen=True)
class ArrayFunction:
    """A function of arrays, callable on V-values; types by :func:`array_type` have one."""

    name: str
    inputs: tuple[ArrayShape, ...]
    outputs: tuple[ArrayShape, ...]
    function: Callable[..., Any]

    def __call__(self, *arguments: VValue) -> Any:
        """One V-value per input -> one per output, as for every activation function."""
        arrays = [to_array(v, each.shape, each.is_complex) for v, each in zip(arguments, self.inputs, strict=True)]
        results = tuple(map(from_array, self.on_arrays(*arrays)))
        return results if len(results) > 1 else results[0]

    def on_arrays(self, *arrays: Any) -> tuple[Any, ...]:
        """One array per input -> one per output.

        Raises :class:`~dmmlab.core.errors.LabError` if the function returns another shape.
        """
        made = self.function(*arrays)
        results = (made,) if len(self.outputs) == 1 else made
        if not isinstance(results, tuple) or len(results) != len(self.outputs):
            raise LabError(f"neuron type {self.name!r}: its function must return a tuple of {len(self.outputs)} arrays")
        for i, (result, each) in enumerate(zip(results, self.outputs, strict=True)):
            if np.shape(result) != each.shape:
                raise LabError(f"neuron type {self.name!r}: output {i + 1} has the shape {np.shape(result)}, not {each.shape}")
            if np.iscomplexobj(result) and not each.is_complex:
                raise LabError(
                    f"neuron type {self.name!r}: output {i + 1} is complex; declare ArrayShape({each.shape}, is_complex=True)"
                )
        return tuple(r + 0j if each.is_complex else r for r, each in zip(results, self.outputs, strict=True))


def array_type(
    name: str,
    inputs: Mapping[str, tuple[int, ...] | ArrayShape],
    outputs: Mapping[str, tuple[int, ...] | ArrayShape],
    function: Callable[..., Any],
    **properties: Any,
) -> NeuronType:
    """Returns a neuron type whose function operates on arrays.

    Args:
        name: the type's name.
        inputs: for each input, the shape of its array or an :class:`ArrayShape`.
        outputs: the same for each output.
        function: one array per input (zeros where nothing arrives) -> one per output, a tuple if
            there are several. Written in ``jax.numpy``, it can be compiled and differentiated.
        properties: other fields of :class:`~dmmlab.core.neuron_type.NeuronType`.

    Returns:
        The type.

    Raises:
        LabError: an invalid shape, or fields or properties that a type cannot have. A V-value that
            is not an array of the declared shape is rejected when it arrives.
    """
    on_arrays = ArrayFunction(name, _shapes(inputs), _shapes(outputs), function)
    return NeuronType(name, tuple(inputs), tuple(outputs), on_arrays, **properties)


def _shapes(side: Mapping[str, tuple[int, ...] | ArrayShape]) -> tuple[ArrayShape, ...]:
    return tuple(each if isinstance(each, ArrayShape) else ArrayShape(each) for each in side.values())
