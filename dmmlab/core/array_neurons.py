"""Neurons on arrays: a type whose function is given arrays of declared shapes and returns some.

A convolution of an image or the spectrum of a sound is a line of JAX on an array, and no line on a
tree of four hundred numbers. What flows between neurons are V-values all the same
(:mod:`dmmlab.core.arrays_as_trees`), so that links combine images as they combine anything::

    spectrum = array_type(
        "spectrum", {"sound": (64,)}, {"spectrum": ArrayShape((33,), is_complex=True)}, jnp.fft.rfft
    )

The compiled machine hands such a function its arrays, for all neurons and cycles at once.
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
    """A neuron type whose function is one of arrays.

    Args:
        name: of the type.
        inputs: for each input the shape of its array, or an :class:`ArrayShape`.
        outputs: for each output.
        function: one array per input (zeros where nothing arrives) -> one per output, a tuple if
            there are several. Written in ``jax.numpy``, it can be compiled and differentiated.
        properties: others of :class:`~dmmlab.core.neuron_type.NeuronType`.

    Returns:
        The type.

    Raises:
        LabError: a shape that cannot be, or fields or properties that a type cannot have. A V-value
            that is no array of the declared shape is refused where it arrives.
    """
    on_arrays = ArrayFunction(name, _shapes(inputs), _shapes(outputs), function)
    return NeuronType(name, tuple(inputs), tuple(outputs), on_arrays, array_function=on_arrays, **properties)


def _shapes(side: Mapping[str, tuple[int, ...] | ArrayShape]) -> tuple[ArrayShape, ...]:
    return tuple(each if isinstance(each, ArrayShape) else ArrayShape(each) for each in side.values())
