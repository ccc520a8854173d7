"""Neuron types: what a neuron computes, its inputs and outputs, and what may be relied upon.

A neuron of a dataflow matrix machine is a *super-neuron*: it has any number of named inputs and
named outputs, and a V-value flows on each. Its activation function is a plain Python function: one
positional argument for every input, in order, and one result for every output (a tuple if there are
several). It is written in the algebra of :mod:`dmmlab.core.vvalues`, so it is pure and
differentiable, and a new type is a line or two of a notebook::

    difference = NeuronType(
        "difference", ("plus", "minus"), ("value",), lambda u, v: add(u, scale(-1, v))
    )

All that anything else in ``dmmlab`` knows of a type stands in the type: whether it accumulates,
through which inputs no derivative flows, how it may be rescaled, how it reads as text. Nothing asks
which function a type has, so a reader's own type with the same properties is compiled, simplified
and written down as those of :mod:`dmmlab.core.neurons`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .array_functions import ArrayFunction
from .errors import LabError
from .summaries import Facts, names, summary_html
from .vvalues import Number, VValue, is_plain

MAX_NAME = 1000  # letters of a neuron's name, or of one of its inputs or outputs
Port = tuple[str, str]  # a neuron and the name of one of its inputs or outputs


class Scaling(Enum):
    """How the weights around a neuron may be changed so that its function stays the same.

    ``f`` is the type's function and ``a`` a number; ``u``, ``v`` are what arrives at its inputs.
    """

    LINEAR = "f(a u, a v) = a f(u, v)"
    EVEN = "f(a u) = |a| f(u)"
    DIFFERENCE = "f(u, v) = (g(u - v), g(v - u)), and g(a u) = a g(u) for a > 0"
    BILINEAR = (
        "f(u, v) = f(v, u), f(a u, v / a) = f(u, v), f(-u, v) = -f(u, v): symmetric, up to an odd function such as a clip"
    )
    MULTILINEAR = "f(a u, v) = f(u, a v) = a f(u, v)"


class Emits(Enum):
    """What kind of V-value a neuron emits, as far as its type says."""

    ANYTHING = "any V-value"
    NUMBERS = "numbers alone"
    AS_ARRIVES = "numbers, if numbers arrive at all inputs"
    STREAM = "the stream's V-value in the cycle that its input names"


@dataclass(frozen=True)
class Formula:
    """How a neuron type reads in a program and in an equation.

    ``program`` and ``latex`` have one ``%s`` for each input, and ``%%`` for a percent sign. Where
    the type's scaling is ``DIFFERENCE`` there is one ``%s`` for the difference; where
    ``fieldwise``, one for the input of the same place as the output. A sum is put in without
    brackets. ``scalar`` says that of the inputs only the scalar parts count. What accumulates, a
    constant, and a neuron without outputs read as what they are, and need no formula.
    """

    program: str
    latex: str
    scalar: bool = False
    fieldwise: bool = False


@dataclass(frozen=True)
class NeuronType:
    """A kind of neuron.

    Args:
        name: what machines on disk call it.
        inputs: the names of its inputs.
        outputs: the names of its outputs.
        function: one V-value per input (``{}`` where nothing arrives) -> one per output. It must
            depend on the vectors, not on how they happen to be written: a zero and an absent key
            are the same. One that counts keys or compares with ``{}`` does not, and the two engines
            may then disagree.
        feedback: pairs (input, output), the hard self-links of weight 1 that a neuron of this type
            is born with.
        reads_stream: the function takes the machine's input stream as one argument more.
        uniform: the function treats all keys alike and is written in ``add``, ``scale``, ``dot``,
            ``max_norm``, ``number`` and elementwise arithmetic alone, so that the compiled machine
            may hand it many coordinates at once (:class:`dmmlab.core.array_leaves.Block`), which is
            faster.
        polynomial: its outputs are sums of products of the coordinates of its inputs, and it is
            written in ``add``, ``scale``, ``nest``, ``linear_combination``, ``apply_mask`` and the
            like alone; the compiled machine then computes all products at once.
        array_function: the function as one of arrays, if it is one
            (:func:`~dmmlab.core.array_neurons.array_type`); the compiled machine hands it arrays.
        accumulates: the one output is the sum of all inputs; with feedback to the first, it is a
            running sum.
        affine_in: inputs in which, taken together, the first output is affine, with a factor for
            each that is one for all keys, and on which no other output depends; all of them, for
            what accumulates. A memory that is a soft link from that output to such an input is then
            a linear recurrence, ``y[t] = a[t] y[t - 1] + b[t]``, and compiled as one.
        stop_gradient: inputs through which no derivative flows.
        scaling: what may be done to the weights around it; nothing if left out.
        emits: what kind of V-value.
        formula: how it reads; by its name and its inputs' names if left out.
        widens: the type that it is but for more inputs, which do nothing, and more outputs, which
            are zero. Where only that type's fields are linked, it is treated as that type.

    Raises :class:`~dmmlab.core.errors.LabError` for fields that cannot be, or a property that they
    do not allow.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Callable[..., Any]
    feedback: tuple[Port, ...] = ()
    reads_stream: bool = False
    uniform: bool = False
    polynomial: bool = False
    array_function: ArrayFunction | None = None
    accumulates: bool = False
    affine_in: tuple[str, ...] = ()
    stop_gradient: tuple[str, ...] = ()
    scaling: Scaling | None = None
    emits: Emits = Emits.ANYTHING
    formula: Formula | None = None
    widens: "NeuronType | None" = None

    def __post_init__(self):
        for side in ("inputs", "outputs"):
            fields = getattr(self, side)
            if isinstance(fields, str) or not all(isinstance(f, str) and f for f in fields):
                raise LabError(f"neuron type {self.name!r}: {side} {fields!r}: expected a tuple of names")
            if len(set(fields)) < len(fields) or any(set(f) & set("./:\\") or not f.isprintable() for f in fields):
                raise LabError(f"neuron type {self.name!r}: {side} {fields!r}: each needs a name of its own without . / : \\")
            if any(len(f) > MAX_NAME for f in fields):
                raise LabError(f"neuron type {self.name[:60]!r}: {side}: a name has at most {MAX_NAME:,} letters")
            object.__setattr__(self, side, tuple(fields))
        shape = len(self.inputs), len(self.outputs)
        needed = {Scaling.EVEN: (1, 1), Scaling.DIFFERENCE: (2, 2), Scaling.BILINEAR: (2, 1)}
        if self.scaling in needed and shape != needed[self.scaling]:
            raise LabError(f"neuron type {self.name!r}: {self.scaling} needs {needed[self.scaling]} inputs and outputs")
        if self.accumulates and (shape[0] < 2 or shape[1] != 1):
            raise LabError(f"neuron type {self.name!r}: what accumulates has at least two inputs and one output")
        if self.formula is not None:
            alone = self.formula.fieldwise or self.scaling is Scaling.DIFFERENCE
            try:
                _ = [text % (("x",) * (1 if alone else shape[0])) for text in (self.formula.program, self.formula.latex)]
            except (TypeError, ValueError):
                raise LabError(f"neuron type {self.name!r}: {self.formula}: expected one %s for each input") from None
            if self.formula.fieldwise and shape[0] != shape[1]:
                raise LabError(f"neuron type {self.name!r}: a fieldwise formula needs as many outputs as inputs")
        narrow = self if self.widens is None else self.widens
        if not (set(narrow.inputs) <= set(self.inputs) and set(narrow.outputs) <= set(self.outputs)):
            raise LabError(f"neuron type {self.name!r}: it does not have all fields of {narrow.name!r}, which it widens")
        if self.accumulates:
            object.__setattr__(self, "affine_in", self.inputs)
        for name in ("affine_in", "stop_gradient"):
            if not set(getattr(self, name)) <= set(self.inputs):
                raise LabError(f"neuron type {self.name!r}: {name} {getattr(self, name)!r}: expected names of its inputs")

    def activate(self, inputs: VValue, stream: Callable[[Number], VValue] | None = None) -> dict[str, VValue]:
        """The up movement of one neuron.

        Args:
            inputs: ``{input: V-value}``; what is left out is zero.
            stream: ``cycle -> V-value``, for a type that reads a stream.

        Returns:
            ``{output: V-value}``.

        Raises:
            LabError: the function returned another number of V-values than there are outputs.
        """
        arguments = [inputs.get(field, {}) for field in self.inputs]
        if self.stop_gradient:
            pairs = zip(self.inputs, arguments, strict=True)
            arguments = [_constant(v) if field in self.stop_gradient else v for field, v in pairs]
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

    def __repr__(self) -> str:
        return f"<NeuronType {self.name}: {', '.join(self.inputs) or '()'} -> {', '.join(self.outputs) or '()'}>"[:200]

    _repr_html_ = summary_html

    def _summary(self) -> tuple[str, Facts]:
        yes = [name for name in ("reads_stream", "uniform", "polynomial", "accumulates") if getattr(self, name)]
        facts = {
            "inputs": names(self.inputs),
            "outputs": names(self.outputs),
            "feedback": names(f"{to} <- {source}" for to, source in self.feedback),
            "function": getattr(self.function, "__qualname__", type(self.function).__name__),
            "properties": names([*yes, *([f"scaling {self.scaling.name}"] if self.scaling else [])]),
            "affine in": names(self.affine_in),
            "emits": self.emits.value,
        }
        return f"NeuronType {self.name!r}", facts.items()


def _constant(v: VValue) -> VValue:
    """The same V-value, but that its derivative is zero."""
    import jax

    return jax.tree.map(lambda x: x if is_plain(x) else jax.lax.stop_gradient(x), v)
