"""Built-in neuron types: those of 2022 ("DMM Lite"), newer ones, and their functions.

:mod:`dmmlab.core.neuron_type` defines neuron types and their properties.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from .neuron_type import Emits, Formula, NeuronType, Scaling
from .tree_neurons import TREE_TYPES
from .vvalues import Number, VValue, add, dot, from_paths, is_plain, max_norm, number, paths, scale


def constant(name: str, output: str, value: VValue) -> NeuronType:
    """The type of a neuron that has no inputs and emits ``value`` in every cycle.

    Args:
        name: the type's name.
        output: the name of its one output.
        value: a V-value.

    Returns:
        The type. Equal values give the same object, so that networks with the same constants share
        compiled programs.
    """
    return constants(name, {output: value})


def constants(name: str, emitted: Mapping[str, VValue]) -> NeuronType:
    """The type of a neuron that has no inputs and emits the same V-values in every cycle.

    Args:
        name: the type's name.
        emitted: the V-value of each output.

    Returns:
        The type; the same object for equal values, as in :func:`constant`.
    """
    leaves = tuple((output, tuple(paths(v))) for output, v in emitted.items())
    try:
        return _constants(name, leaves, tuple(type(leaf) for _, of_output in leaves for _, leaf in of_output))
    except TypeError:  # arrays and traced numbers have no hash
        return NeuronType(name, (), tuple(emitted), partial(_emit, *emitted.values()))


@lru_cache(maxsize=1024)
def _constants(name: str, leaves: tuple[tuple[str, tuple[Any, ...]], ...], kinds: tuple[type, ...]) -> NeuronType:
    emitted = {output: from_paths(of_output) for output, of_output in leaves}
    return NeuronType(name, (), tuple(emitted), partial(_emit, *emitted.values()))


def _emit(*values: VValue) -> Any:
    return values[0] if len(values) == 1 else values


def answering(inputs: tuple[str, ...], name: str = "output") -> NeuronType:
    """The type of a neuron without outputs; its inputs receive the machine's answers.

    Args:
        inputs: the names of the answers.
        name: the type's name.

    Returns:
        The type; the same object for the same names.
    """
    names = tuple(inputs)
    hashable = all(isinstance(each, str) for each in (*names, name))  # NeuronType rejects others
    return _answering(names, name) if hashable else _answering.__wrapped__(names, name)


@lru_cache(maxsize=1024)
def _answering(inputs: tuple[str, ...], name: str) -> NeuronType:
    return NeuronType(name, inputs, (), _receive)


def _receive(*answers: VValue) -> tuple[()]:
    return ()


def clip(x: Number, low: float, high: float) -> Number:
    """``min(max(x, low), high)``. Its derivative is 0 outside, and 1 inside and on the boundary."""
    if is_plain(x):
        return min(max(x, low), high)
    import jax.numpy as jnp

    return jnp.where((x < low) | (x > high), jnp.where(x < low, low, high), x)


def relu(x: Number) -> Number:
    """``max(x, 0)``. Its derivative at 0 is 0."""
    if is_plain(x):
        return max(x, 0.0)
    import jax.numpy as jnp

    return jnp.where(x > 0, x, 0.0)


def product(u: VValue, v: VValue) -> VValue:
    """``{path: u[path] * v[path]}``, for the paths that both have."""
    other = dict(paths(v))
    return from_paths((path, x * other[path]) for path, x in paths(u) if path in other)


def _compare(u: VValue, v: VValue) -> tuple[Number, Number]:
    difference = number(u) - number(v)
    return relu(difference), relu(-difference)


# The neurons around a network: one of each in a machine.
TIMER = NeuronType(
    "timer",
    ("timer",),
    ("timer",),
    lambda t: number(t) + 1.0,
    feedback=(("timer", "timer"),),
    emits=Emits.COUNT,
    formula=Formula("%s + 1", "%s + 1", scalar=True),
)
INPUT = NeuronType(
    "input",
    ("timer",),
    ("char",),
    lambda t, stream: stream(number(t)),
    reads_stream=True,
    emits=Emits.STREAM,
    formula=Formula("stream(%s)", r"\operatorname{stream}\bigl(%s\bigr)", scalar=True),
)
CONST_1 = constant("const_1", "const_1", 1.0)
EOS = constant("eos", "char", {".": 1.0})  # the end-of-sentence mark
OUTPUT = answering(("dict-1", "dict-2"))

# The neurons that a network is made of.
ACCUM = NeuronType(
    "accum",
    ("dict-1", "dict-2"),
    ("dict",),
    add,
    feedback=(("dict-1", "dict"),),
    uniform=True,
    accumulates=True,
    scaling=Scaling.LINEAR,
    emits=Emits.AS_ARRIVES,
)
NORM = NeuronType(
    "norm",
    ("dict",),
    ("norm",),
    max_norm,
    uniform=True,
    scaling=Scaling.EVEN,
    emits=Emits.NUMBERS,
    formula=Formula("max_norm(%s)", r"\bigl\lVert %s \bigr\rVert_\infty"),
)
DOT = NeuronType(
    "dot",
    ("dict-1", "dict-2"),
    ("dot",),
    lambda u, v: clip(dot(u, v), -4.0, 4.0),
    uniform=True,
    scaling=Scaling.BILINEAR,
    emits=Emits.NUMBERS,
    formula=Formula("clip(dot(%s, %s), -4, 4)", "\\operatorname{clip}_{[-4,4]} \\bigl\\langle %s,\f%s \\bigr\\rangle"),
)
COMPARE = NeuronType(
    "compare",
    ("dict-1", "dict-2"),
    ("true", "false"),
    _compare,
    uniform=True,
    scaling=Scaling.DIFFERENCE,
    emits=Emits.NUMBERS,
    formula=Formula("relu(%s)", r"\bigl(%s\bigr)_+", scalar=True),
)
ID_FIELDS = ("dict-1", "dict-2", "dict", "norm", "dot", "true", "false")
ID = NeuronType(
    "id",
    ID_FIELDS,
    ID_FIELDS,
    lambda *values: values,
    uniform=True,
    emits=Emits.INPUTS,
    formula=Formula("%s", "%s", fieldwise=True),
)

TYPES_2022 = (TIMER, INPUT, CONST_1, EOS, OUTPUT, ACCUM, NORM, DOT, COMPARE, ID)

# A newer type.
PRODUCT = NeuronType(
    "product",
    ("dict-1", "dict-2"),
    ("dict",),
    product,
    emits=Emits.AS_ARRIVES,
    formula=Formula("product(%s, %s)", "\\bigl(%s\\bigr)\f\\odot \\bigl(%s\\bigr)"),
)


def _scaled_functions(
    accum: VValue, delta: VValue, dict_: VValue, x: VValue, y: VValue, *coefficients: VValue
) -> tuple[VValue, Number, Number, Number, Number]:
    of_sum, of_norm, of_dot, of_compare = map(number, coefficients)
    true, false = COMPARE.function(x, y)
    return (
        scale(of_sum, ACCUM.function(accum, delta)),
        of_norm * NORM.function(dict_),
        of_dot * DOT.function(x, y),
        of_compare * true,
        of_compare * false,
    )


# From 2024: all of these functions in one type (:mod:`dmmlab.machines.superfluid_machines`).
SUPERFLUID = NeuronType(
    "superfluid",
    ("accum", "delta", "dict", "x", "y", "of-sum", "of-norm", "of-dot", "of-compare"),
    ("result", "norm", "dot", "true", "false"),
    _scaled_functions,
    uniform=True,
    affine_in=("accum", "delta"),
)

TYPES = (*TYPES_2022, PRODUCT, SUPERFLUID, *TREE_TYPES)


def is_built_in(kind: NeuronType) -> bool:
    """Whether a type has the function of a built-in type, and the same properties.

    So its properties are known to be true. All constants and all types of answers are built in.
    """
    return _meaning(kind) in map(_meaning, TYPES)


def _meaning(kind: NeuronType) -> tuple:
    is_constant = type(kind.function) is partial and kind.function.func is _emit
    function = _emit if is_constant else kind.function
    return id(function), kind.accumulates, kind.scaling, kind.emits  # a user's function may equal any other
