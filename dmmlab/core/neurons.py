"""Neuron types: what a super-neuron computes, and the names of its inputs and outputs.

A neuron of a dataflow matrix machine has any number of named inputs and named outputs, and a V-value flows
on each. Its activation function is a plain Python function: one positional argument for every input, in
order, and one result for every output (a tuple if there are several). It is written in the algebra of
:mod:`dmmlab.core.vvalues`, so it is pure and differentiable, and a new type is one line of a notebook::

    difference = NeuronType("difference", ("plus", "minus"), ("value",), lambda u, v: add(u, scale(-1, v)))

The types below are those of the machines of 2022 ("DMM Lite").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .errors import LabError
from .vvalues import Number, VValue, add, check, describe, dot, from_paths, is_plain, max_norm, number, paths, show_path

Port = tuple[str, str]  # a neuron and the name of one of its inputs or outputs


@dataclass(frozen=True)
class NeuronType:
    """A kind of neuron.

    ``function`` takes one V-value per input (``{}`` where nothing arrives) and returns one per output.
    ``feedback`` lists pairs (input, output): the hard self-links that a neuron of this type is born with.
    ``reads_stream`` marks the types whose function takes the machine's input stream as one argument more.
    ``uniform`` promises that the function treats all keys alike and is written in ``add``, ``scale``, ``dot``,
    ``max_norm``, ``number`` and elementwise arithmetic alone, so that the compiled machine may hand it many
    coordinates at once (:class:`dmmlab.core.array_leaves.Block`), which is faster.

    The function must depend on the vectors it is given, not on how they happen to be written: a zero and an absent key
    are the same. One that counts keys or compares with ``{}`` does not, and the two engines may then disagree.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Callable[..., Any]
    feedback: tuple[Port, ...] = ()
    reads_stream: bool = False
    uniform: bool = False

    def __post_init__(self):
        for side in ("inputs", "outputs"):
            fields = getattr(self, side)
            if isinstance(fields, str) or not all(isinstance(f, str) and f for f in fields):
                raise LabError(f"neuron type {self.name!r}: {side} {fields!r}: expected a tuple of names")
            if len(set(fields)) < len(fields) or any(set(f) & set("./:\\") or not f.isprintable() for f in fields):
                raise LabError(f"neuron type {self.name!r}: {side} {fields!r}: each needs a name of its own without . / : \\")
            object.__setattr__(self, side, tuple(fields))

    def activate(self, inputs: VValue, stream: Callable[[Number], VValue] | None = None) -> dict[str, VValue]:
        """One up movement of one neuron: ``{input: V-value} -> {output: V-value}``."""
        arguments = [inputs.get(field, {}) for field in self.inputs]
        if self.reads_stream:
            arguments.append(stream)
        results = self.function(*arguments)
        if len(self.outputs) == 1:
            results = (results,)
        elif not isinstance(results, tuple) or len(results) != len(self.outputs):
            raise LabError(
                f"neuron type {self.name!r}: its function must return a tuple of {len(self.outputs)} V-values, "
                f"one for each of {self.outputs}"
            )
        return dict(zip(self.outputs, results, strict=True))


def constant(name: str, output: str, value: VValue) -> NeuronType:
    """The type of a neuron that has no inputs and emits ``value`` in every cycle."""
    return NeuronType(name, (), (output,), lambda: value)


def constants(name: str, emitted: Mapping[str, VValue]) -> NeuronType:
    """The type of a neuron that has no inputs and emits these V-values in every cycle, by output."""
    result = tuple(emitted.values())
    return NeuronType(name, (), tuple(emitted), lambda: result if len(result) > 1 else result[0])


def type_as_data(kind: NeuronType) -> dict:
    """A type that needs no function, as JSON has it: a constant, or one that only takes answers. Nothing for all others."""
    if not kind.outputs:
        return {"answers": list(kind.inputs)}
    if not kind.inputs and not kind.reads_stream:
        emitted = kind.activate({}).items()
        return {"emits": {output: from_paths((path, float(x)) for path, x in paths(v)) for output, v in emitted}}
    return {}


def types_from_data(tree: object) -> dict[str, NeuronType]:
    """The types of ``{name: type_as_data(type)}``. Raises :class:`~dmmlab.core.errors.LabError`, which names the place."""
    if not isinstance(tree, dict):
        raise LabError(f"types: expected an object, got {describe(tree)}")
    found = {}
    for name, about in tree.items():
        (key, value), *more = about.items() if isinstance(about, dict) and about else [(None, None)]
        if key == "emits" and isinstance(value, dict) and value and not more:
            found[name] = constants(name, {output: check(v, ("types", name, "emits", output)) for output, v in value.items()})
        elif key == "answers" and isinstance(value, list) and not more:
            found[name] = NeuronType(name, tuple(value), (), lambda *answers: ())
        else:
            place = show_path(("types", name))
            raise LabError(f'{place}: expected {{"emits": {{output: value}}}} or {{"answers": [names]}}')
    return found


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


def add_cut(u: VValue, v: VValue) -> VValue:
    """``u + v``, but no derivative with respect to ``u``: what the gradients of 2022 took the accumulator for."""
    return add(_cut(u), v)


def _cut(v: VValue) -> VValue:
    import jax

    return jax.tree.map(lambda x: x if is_plain(x) else jax.lax.stop_gradient(x), v)


def product(u: VValue, v: VValue) -> VValue:
    """``{path: u[path] * v[path]}``, for the paths that both have."""
    other = dict(paths(v))
    return from_paths((path, x * other[path]) for path, x in paths(u) if path in other)


def _compare(u: VValue, v: VValue) -> tuple[Number, Number]:
    difference = number(u) - number(v)
    return relu(difference), relu(-difference)


# The neurons around a network: one of each in a machine.
TIMER = NeuronType("timer", ("timer",), ("timer",), lambda t: number(t) + 1.0, feedback=(("timer", "timer"),))
INPUT = NeuronType("input", ("timer",), ("char",), lambda t, stream: stream(number(t)), reads_stream=True)
CONST_1 = constant("const_1", "const_1", 1.0)
EOS = constant("eos", "char", {".": 1.0})  # the mark that ends a sentence
OUTPUT = NeuronType("output", ("dict-1", "dict-2"), (), lambda *answers: ())  # what arrives is the machine's answer

# The neurons that a network is made of.
ACCUM = NeuronType("accum", ("dict-1", "dict-2"), ("dict",), add, feedback=(("dict-1", "dict"),), uniform=True)
NORM = NeuronType("norm", ("dict",), ("norm",), max_norm, uniform=True)
DOT = NeuronType("dot", ("dict-1", "dict-2"), ("dot",), lambda u, v: clip(dot(u, v), -4.0, 4.0), uniform=True)
COMPARE = NeuronType("compare", ("dict-1", "dict-2"), ("true", "false"), _compare, uniform=True)
ID_FIELDS = ("dict-1", "dict-2", "dict", "norm", "dot", "true", "false")
ID = NeuronType("id", ID_FIELDS, ID_FIELDS, lambda *values: values, uniform=True)

TYPES_2022 = (TIMER, INPUT, CONST_1, EOS, OUTPUT, ACCUM, NORM, DOT, COMPARE, ID)

# A newer one.
PRODUCT = NeuronType("product", ("dict-1", "dict-2"), ("dict",), product)
TYPES = (*TYPES_2022, PRODUCT)

# The same with the gradients of 2022. Zygote.jl lost the derivative where the code copied a dictionary: through the
# accumulator's first input, which is its memory, and through id. Forward nothing differs. With these types the loss of
# feedforward-run-3 follows its published log; with exact derivatives its second value is 414.362 instead of 417.872.
CUT_2022 = {
    "accum": replace(ACCUM, function=add_cut),
    "id": replace(ID, function=lambda *values: tuple(map(_cut, values))),
}
