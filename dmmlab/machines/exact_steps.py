"""Exact steps: runs the tree engine on fractions.

A proof must not round numbers. The tree engine adds and multiplies numbers of any type, so this
module gives it fractions, or symbols (:mod:`dmmlab.proofs.symbols`). Each weight becomes the
fraction that it stands for. A float from a neuron's function becomes the fraction of the same
value. Down and up movement are those of :mod:`dmmlab.core.engine`.

An exact run differs from an ordinary run in two ways. First, it leaves out the clock, so that equal
states compare equal, and gives each reader the item of the cycle (:mod:`dmmlab.core.clocks`).
Second, it leaves out the parts of the machine that no answer depends on, except those whose
numbers might grow too large and so end a run.

When the lab calls a machine *exact* is defined in :mod:`dmmlab.pruning.rounding`.
"""

from collections.abc import Callable, Hashable, Mapping
from fractions import Fraction
from numbers import Rational
from typing import Any

import networkx

from ..core.clocks import clocked
from ..core.engine import down, up
from ..core.errors import LabError
from ..core.machine import Machine
from ..core.network_matrix import matrix_of
from ..core.neuron_type import Emits
from ..core.neurons import is_built_in
from ..core.vvalues import MAX_DEPTH, VValue, in_doubles, number, paths, trim

NEARLY = 1e-15  # largest relative difference between a weight and the fraction that it stands for
LARGEST_DENOMINATOR = 10_000
DOUBLE = 1e-9  # largest relative difference between a user type's result in double precision and the exact one
SMALL = 2**24  # whole numbers up to this that arrive at a neuron are Python integers
LARGEST_WHOLE = 2**53  # double precision represents all whole numbers up to this


State = tuple[VValue, ...]


class InexactError(LabError):
    """The machine cannot be run exactly."""


class Exact(Fraction):
    """A fraction whose arithmetic with floats is exact: a float becomes a fraction first."""

    __slots__ = ()

    def __neg__(self) -> "Exact":
        return Exact(-self.numerator, self.denominator)

    def __abs__(self) -> "Exact":
        return Exact(abs(self.numerator), self.denominator)


def _absorbing(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def combined(self: Exact, other: Any) -> Any:
        result = operation(self, Fraction(other) if isinstance(other, float) else other)
        return Exact(result) if type(result) is Fraction else result

    return combined


for _name in ("add", "sub", "mul", "truediv", "mod"):
    for _side in ("__", "__r"):
        setattr(Exact, f"{_side}{_name}__", _absorbing(getattr(Fraction, f"{_side}{_name}__")))
del _name, _side


class ExactMachine:
    """A machine that is stepped in exact arithmetic.

    A *state* is a tuple of everything that the neurons emit in a cycle: a V-value for each of
    ``ports``, with the ports of the readers last. The results of each neuron are cached by its
    inputs, because the same numbers arrive at it many times in an exploration.

    Args:
        machine: a machine with a neuron ``output``.

    Raises :class:`InexactError` for a weight that is no small fraction, or a reader that does not
    show each item in its own cycle.
    """

    def __init__(self, machine: Machine):
        clocks, readers = clocked(machine)
        names = relevant(machine)
        for name in sorted(names):
            if machine.neurons[name].reads_stream and name not in readers:
                raise InexactError(f"neuron {name!r} does not show in each cycle the item of that cycle")
        links = [link for link in machine.links() if link.to_neuron in names]
        if all(link.to_neuron in clocks | readers for link in links if link.from_neuron in clocks):
            names -= clocks
        self.readers = {name: machine.neurons[name].outputs[0] for name in sorted(names & readers)}
        self.neurons = {name: machine.neurons[name] for name in machine.neurons if name in names - readers}
        self.own_types = {name: kind for name, kind in self.neurons.items() if not is_built_in(kind)}
        self.matrix = matrix_of((*link[:4], exact_weight(link)) for link in links if link.to_neuron in self.neurons)
        sums = [sum(abs(w) for _, w in paths(row)) for fields in self.matrix.values() for row in fields.values()]
        self.small = int(SMALL // max(1, *sums, 1))
        self.fields = machine.neurons["output"].inputs
        self.ports = [(name, field) for name, kind in self.neurons.items() for field in kind.outputs]
        self.ports += self.readers.items()
        self.initial: State = (0,) * len(self.ports)
        self._sources = {name: self._sources_of(name) for name in self.neurons}
        self._known: dict[str, dict[State, State]] = {name: {} for name in self.neurons}
        self._emitted: dict[Hashable, State] = {}

    def step(self, state: State) -> tuple[State, State]:
        """Runs one cycle; returns the scalar parts that arrive at ``output``, and the next state.

        The next state lacks the ports of the readers; :meth:`shown` gives those. Raises
        :class:`InexactError` if a type that is not built in gives a result that differs from its
        result in double precision. Errors of the engine and of a type's function pass through.
        """
        emitted: list[VValue] = []
        answers: State = ()
        for name, sources in self._sources.items():
            given, known = tuple([state[i] for i in sources]), self._known[name]
            try:
                results = known[given]
            except KeyError:
                results = known[given] = self._step_of(name, given)
            except TypeError:  # V-values that are not numbers have no hash
                results = self._step_of(name, given)
            if name == "output":
                answers, results = results[: len(self.fields)], results[len(self.fields) :]
            emitted += results
        return answers, tuple(emitted)

    def shown(self, items: Mapping[str, VValue]) -> State:
        """Returns the V-values that the readers emit, given the item of each."""
        return tuple(exact(trim(items.get(name, 0)), self.small) or 0 for name in self.readers)

    def arrive(self, outputs: VValue) -> VValue:
        """Returns the engine's down movement on trees: ``neuron -> input -> V-value``."""
        return down(self.matrix, outputs)

    def emit(self, inputs: VValue, items: Mapping[str, VValue]) -> VValue:
        """Returns the engine's up movement, ``neuron -> output -> V-value``, given the items."""
        shown = {name: {field: v} for (name, field), v in zip(self.readers.items(), self.shown(items), strict=True)}
        return exact(up(self.neurons, inputs, {}), self.small) | trim(shown)

    def answers(self, inputs: VValue) -> State:
        """Returns the scalar parts of the V-values that arrive at the inputs of ``output``."""
        arrived = inputs.get("output", {})
        return tuple(number(arrived.get(field, 0)) for field in self.fields)

    def _sources_of(self, name: str) -> list[int]:
        row = self.matrix.get(name, {})
        ports = {(source, field) for links in row.values() for source, fields in links.items() for field in fields}
        return [i for i, port in enumerate(self.ports) if port in ports]

    def _step_of(self, name: str, given: State) -> State:
        """Steps one neuron with the engine; for ``output``, its scalar inputs come first."""
        outputs: dict[str, dict[str, VValue]] = {}
        for i, v in zip(self._sources[name], given, strict=True):
            if v:
                outputs.setdefault(self.ports[i][0], {})[self.ports[i][1]] = v
        inputs = down({name: self.matrix[name]}, outputs) if outputs else {}
        key = name, key_of(inputs)
        if key not in self._emitted:
            self._emitted[key] = self._emitted_by(name, inputs)
        results = self._emitted[key]
        return (*self.answers(inputs), *results) if name == "output" else results

    def _emitted_by(self, name: str, inputs: VValue) -> State:
        """Returns the outputs of one neuron, given its inputs."""
        emitted = exact(up({name: self.neurons[name]}, inputs, {}), self.small).get(name, {})
        if name in self.own_types:
            self._check_in_doubles(name, inputs, emitted)
        for path, x in paths(emitted) if any(type(v) is not int for v in emitted.values()) else ():
            if len(path) > MAX_DEPTH - 2:
                raise InexactError(f"neuron {name!r} emits V-values that are nested too deeply")
            if not isinstance(x, int):
                float(x)  # raises OverflowError where a run in double precision would end
        return tuple(emitted.get(field, 0) for field in self.neurons[name].outputs)

    def _check_in_doubles(self, name: str, inputs: VValue, emitted: VValue) -> None:
        again = up({name: self.neurons[name]}, in_doubles(inputs), {}).get(name, {})
        mine, other = (dict(paths(in_doubles(each))) for each in (emitted, again))
        if any(abs(mine.get(p, 0.0) - other.get(p, 0.0)) > DOUBLE * max(1.0, abs(mine.get(p, 0.0))) for p in mine | other):
            raise InexactError(f"neuron {name!r}: its type gives one result for a fraction and another for the same float")


def relevant(machine: Machine) -> set[str]:
    """Returns the neurons that answers depend on, and other neurons that might end a run.

    A neuron that no answer depends on can end a run if its numbers grow too large. In practice this
    does not happen if all types are built in, and the only loops are self-loops of sums and of
    neurons that pass a value on, with weights whose absolute values add up to at most 1.
    """
    needed = machine.leading_to({"output"})
    graph, loops = networkx.DiGraph(), dict.fromkeys(machine.neurons, 0.0)
    for link in machine.links():
        if link.to_neuron == link.from_neuron:
            loops[link.to_neuron] += abs(float(link.weight))
        graph.add_edge(link.from_neuron, link.to_neuron)
    kinds = machine.neurons.items()
    calm = {name for name, kind in kinds if kind.accumulates or kind.emits in (Emits.COUNT, Emits.INPUTS)}
    wild = {name for each in networkx.strongly_connected_components(graph) if len(each) > 1 for name in each}
    wild |= {name for name, size in loops.items() if size > 1 or (size and name not in calm)}
    wild |= {name for name, kind in kinds if not is_built_in(kind)}
    return machine.leading_to(needed | wild)


def exact_weight(link: Any) -> int | Exact:
    """Returns the fraction that the weight of a link stands for."""
    weight = float(link.weight)
    fraction = Fraction(weight).limit_denominator(LARGEST_DENOMINATOR)
    if abs(float(fraction) - weight) > NEARLY * abs(weight):
        raise InexactError(f"the weight {weight:g} of {link} is no small fraction")
    return exact(Exact(fraction), SMALL)


def exact(v: VValue, small: int = 0) -> VValue:
    """Converts a V-value to exact numbers; symbols are not changed.

    Args:
        v: any V-value.
        small: whole numbers up to this become Python integers, which are fast. A neuron's function
            may combine them with floats without rounding. All other numbers become :class:`Exact`.

    Returns:
        The V-value. Numbers that are not finite raise OverflowError or ValueError.
    """
    if isinstance(v, dict):
        return {key: exact(part, small) for key, part in v.items()}
    if isinstance(v, float) and v.is_integer():
        v = int(v)
    if isinstance(v, int | Fraction) and v.denominator == 1 and abs(v.numerator) <= small:
        return v.numerator
    return Exact(v) if isinstance(v, Rational | float) and not isinstance(v, Exact) else v


def is_double(x: Any) -> bool:
    """Whether a number, and sums and products of small ones like it, are exact in doubles."""
    x = x if isinstance(x, int) else Fraction(x)
    return abs(x.numerator) <= LARGEST_WHOLE and x.denominator & (x.denominator - 1) == 0


def key_of(v: VValue) -> Hashable:
    """Returns a hashable key that is equal for equal V-values, whatever the order of their keys."""
    return tuple(sorted(paths(v))) if isinstance(v, dict) else v
