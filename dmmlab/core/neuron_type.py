"""Neuron types: the function, inputs, outputs and declared properties of neurons.

A neuron of a dataflow matrix machine is a *super-neuron*: it has any number of named inputs and
named outputs, and a V-value flows on each. Its activation function is a plain Python function. It
takes one positional argument for every input, in order, and returns one result for every output (a
tuple if there are several). It is built from the operations of :mod:`dmmlab.core.vvalues`, so it is
pure and differentiable. A new type takes a line or two::

    difference = NeuronType(
        "difference", ("plus", "minus"), ("value",), lambda u, v: add(u, scale(-1, v))
    )

A type declares its properties: whether it accumulates, through which inputs no derivative flows,
how it may be rescaled, and how it is printed. The rest of ``dmmlab`` relies on these properties; it
does not look for types by name. So a user-defined type is compiled, simplified and printed in the
same way as a type of :mod:`dmmlab.core.neurons` with the same properties. Proofs and clocks ask for
more: they rely on the properties of built-in types alone.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Any

from .errors import LabError
from .summaries import Facts, names, summary_html
from .vvalues import Number, VValue, is_plain

MAX_NAME = 1000  # maximum length of the name of a neuron, an input or an output
Port = tuple[str, str]  # a neuron and the name of one of its inputs or outputs


class Scaling(Enum):
    """How the weights around a neuron may be rescaled without changing the machine's function.

    ``f`` is the type's function and ``a`` a number; ``u``, ``v`` are the values at its inputs.
    """

    LINEAR = "f(a u, a v) = a f(u, v)"
    EVEN = "f(a u) = |a| f(u)"
    DIFFERENCE = "f(u, v) = (g(u - v), g(v - u)), and g(a u) = a g(u) for a > 0"
    BILINEAR = (
        "f(u, v) = f(v, u), f(a u, v / a) = f(u, v), f(-u, v) = -f(u, v): symmetric, up to an odd function such as a clip"
    )
    MULTILINEAR = "f(a u, v) = f(u, a v) = a f(u, v)"


class Emits(Enum):
    """The V-values that a neuron emits, as declared by its type."""

    ANYTHING = "any V-value"
    NUMBERS = "numbers alone"
    AS_ARRIVES = "numbers, if numbers arrive at all inputs"
    INPUTS = "what arrives: each output repeats the input at the same position"
    COUNT = "the scalar part of its input, plus 1"
    STREAM = "the stream's V-value in the cycle that its input names"


SHAPES = {  # the number of inputs and of outputs that a property needs
    Scaling.EVEN: (1, 1),
    Scaling.DIFFERENCE: (2, 2),
    Scaling.BILINEAR: (2, 1),
    Emits.COUNT: (1, 1),
    Emits.STREAM: (1, 1),
}


@dataclass(frozen=True)
class Formula:
    """How a neuron type is printed in programs and equations.

    ``program`` and ``latex`` have one ``%s`` for each input, and ``%%`` for a percent sign. If the
    type's scaling is ``DIFFERENCE``, they have one ``%s`` for the difference. If ``fieldwise``,
    they have one ``%s`` for the input at the same position as the output. Sums are inserted without
    brackets. ``scalar`` means that only the scalar parts of the inputs count. Types that
    accumulate, constants, and types without outputs are printed without a formula.
    """

    program: str
    latex: str
    scalar: bool = False
    fieldwise: bool = False


@dataclass(frozen=True)
class NeuronType:
    """A kind of neuron.

    The first five arguments say what a neuron has and what it computes. The others are keywords.
    They declare properties: how the function computes, its algebra, and how it is printed. A type
    without properties works everywhere; each property makes it faster, simpler or more readable.

    Args:
        name: the type's name, also in machine files.
        inputs: the names of its inputs.
        outputs: the names of its outputs.
        function: one V-value per input (``{}`` where nothing arrives) -> one per output. It must
            depend on the vectors alone, not on their representation: a zero and an absent key are
            the same. If it counts keys or compares with ``{}``, the two engines may disagree.
        feedback: pairs (input, output): the hard self-links of weight 1 that every new neuron of
            this type has.
        reads_stream: the function takes the machine's input stream as one more argument.
        uniform: the function treats all keys alike and uses only ``add``, ``scale``, ``dot``,
            ``max_norm``, ``number`` and elementwise arithmetic. The compiled machine then passes it
            many coordinates at once, which is faster.
        polynomial: the outputs are sums of products of input coordinates, and the function uses
            only ``add``, ``scale``, ``nest``, ``linear_combination``, ``apply_mask`` and similar
            operations. The compiled machine then computes all products at once.
        stop_gradient: inputs through which no derivative flows.
        emits: the V-values that a neuron emits.
        accumulates: the single output is the sum of all inputs; with feedback to the first input,
            it is a running sum.
        affine_in: inputs in which the first output is jointly affine, with one factor per input,
            the same for all keys. No other output may depend on them. For a type that accumulates,
            they are all inputs. A soft link from the first output to such an input is then a linear
            recurrence, ``y[t] = a[t] y[t - 1] + b[t]``, and is compiled as one.
        scaling: how the weights around a neuron may be rescaled; not at all if left out.
        widens: a narrower type, which this one extends by inputs that have no effect and outputs
            that are zero. A neuron with links at the narrower type's fields only is treated as one
            of that type.
        formula: how the type is printed; by its name and its inputs' names if left out.

    Raises :class:`~dmmlab.core.errors.LabError` for invalid fields, or for a property that the
    fields do not allow.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Callable[..., Any]
    feedback: tuple[Port, ...] = ()
    _: KW_ONLY
    # How the function computes.
    reads_stream: bool = False
    uniform: bool = False
    polynomial: bool = False
    stop_gradient: tuple[str, ...] = ()
    # Its algebra.
    emits: Emits = Emits.ANYTHING
    accumulates: bool = False
    affine_in: tuple[str, ...] = ()
    scaling: Scaling | None = None
    widens: "NeuronType | None" = None
    # How it is printed.
    formula: Formula | None = None

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
        for declared in (self.scaling, self.emits):
            if declared in SHAPES and shape != SHAPES[declared]:
                raise LabError(f"neuron type {self.name!r}: {declared} needs {SHAPES[declared]} inputs and outputs")
        if self.emits is Emits.INPUTS and shape[0] != shape[1]:
            raise LabError(f"neuron type {self.name!r}: {self.emits} needs as many outputs as inputs")
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

    @property
    def is_constant(self) -> bool:
        """Whether a neuron emits the same in every cycle, because nothing arrives at it."""
        return bool(self.outputs) and not self.inputs and not self.reads_stream

    @property
    def at_boundary(self) -> bool:
        """Whether something enters or leaves a machine at a neuron of this type."""
        return self.reads_stream or not self.inputs or not self.outputs

    def activate(self, inputs: VValue, stream: Callable[[Number], VValue] | None = None) -> dict[str, VValue]:
        """Applies the activation function: the up movement of one neuron.

        Args:
            inputs: ``{input: V-value}``; missing inputs are zero.
            stream: ``cycle -> V-value``, for a type that reads a stream.

        Returns:
            ``{output: V-value}``.

        Raises:
            LabError: the number of returned V-values is not the number of outputs.
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
    """Returns the same V-value with zero derivative."""
    import jax

    return jax.tree.map(lambda x: x if is_plain(x) else jax.lax.stop_gradient(x), v)
