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
from typing import Any

from .array_functions import ArrayFunction, ArrayShape
from .neuron_type import NeuronType


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
    return NeuronType(name, tuple(inputs), tuple(outputs), on_arrays, array_function=on_arrays, **properties)


def _shapes(side: Mapping[str, tuple[int, ...] | ArrayShape]) -> tuple[ArrayShape, ...]:
    return tuple(each if isinstance(each, ArrayShape) else ArrayShape(each) for each in side.values())
