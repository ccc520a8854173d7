"""Exact steps: the two-stroke cycle of a machine in whole numbers and fractions.

Both engines add up floating-point numbers. What is to be proved is run here instead: weights are
fractions, sums and products are exact, and numbers of any kind may flow that are of Python's
``numbers.Number``, also symbols. The items are put in, so that no timer counts without end.
"""

from collections.abc import Hashable, Mapping
from fractions import Fraction
from typing import Any

import networkx

from ..core.errors import LabError
from ..core.machine import Machine
from ..core.neuron_type import Port
from ..core.vvalues import Number, VValue, add, paths, scale

NEARLY = 1e-12  # how far a weight may be from the fraction that it stands for
LARGEST_DENOMINATOR = 10_000


class InexactError(LabError):
    """A machine that cannot be run exactly."""


class ExactMachine:
    """A machine that is stepped in exact arithmetic.

    Args:
        machine: its weights are fractions; its timer feeds nothing but what reads the stream.

    Raises :class:`InexactError` if it is not so.
    """

    def __init__(self, machine: Machine):
        live = machine.live()
        readers = [name for name, kind in live.neurons.items() if kind.reads_stream]
        clocks = {name for name, kind in live.neurons.items() if kind.name == "timer"}
        links = []
        for link in live.links():
            if (link.from_neuron in clocks) != (link.to_neuron in clocks or link.to_neuron in readers):
                raise InexactError(f"{link}: only what reads a stream may be fed by a timer, and by nothing else")
            if link.from_neuron not in clocks:
                links.append(link)
        self.readers = readers
        self.ports: list[Port] = [
            (name, output) for name, kind in live.neurons.items() if name not in clocks for output in kind.outputs
        ]
        places = {port: i for i, port in enumerate(self.ports)}
        rows: dict[Port, list[tuple[int, Number]]] = {}
        for link in links:
            into, source = (link.to_neuron, link.to_field), (link.from_neuron, link.from_field)
            rows.setdefault(into, []).append(
                (places[source], exact_weight(link.weight, f"{'.'.join(into)} <- {'.'.join(source)}"))
            )
        self.answer_rows = {field: rows.get(("output", field), []) for field in machine.neurons["output"].inputs}
        self._kinds = [
            (name, kind, [rows.get((name, field), []) for field in kind.inputs])
            for name, kind in live.neurons.items()
            if name not in clocks and name not in readers and kind.outputs
        ]
        self._places = {name: [places[name, output] for output in kind.outputs] for name, kind, _ in self._kinds}
        self._reading = {name: places[name, live.neurons[name].outputs[0]] for name in readers}
        self.arrivals = [row for _, _, fields in self._kinds for row in fields]
        self.initial: tuple[VValue, ...] = (0,) * len(self.ports)

    def cycles_through(self, arrivals: set[int]) -> int | None:
        """How many cycles a value takes at most through these neurons; None if they have a loop."""
        owner = [name for name, _, fields in self._kinds for _ in fields]
        inside = {owner[i] for i in arrivals}
        ports = [name for name, _ in self.ports]
        graph = networkx.DiGraph()
        graph.add_nodes_from(inside)
        for name, row in zip(owner, self.arrivals, strict=True):
            graph.add_edges_from((ports[i], name) for i, _ in row if name in inside and ports[i] in inside)
        if not networkx.is_directed_acyclic_graph(graph):
            return None
        return int(networkx.dag_longest_path_length(graph)) + 1 if inside else 0

    def arrive(self, outputs: tuple[VValue, ...]) -> list[VValue]:
        """The down movement: what arrives at each input of each neuron that computes, in order."""
        return [combine(row, outputs) for row in self.arrivals]

    def answers(self, outputs: tuple[VValue, ...]) -> tuple[VValue, ...]:
        """What arrives at the output neuron in the cycle after these outputs."""
        return tuple(combine(row, outputs) for row in self.answer_rows.values())

    def emit(self, arrived: list[VValue], items: Mapping[str, VValue]) -> tuple[VValue, ...]:
        """The up movement: all outputs, from what arrived and the items of this cycle."""
        outputs: list[VValue] = list(self.initial)
        at = 0
        for name, kind, fields in self._kinds:
            mine = dict(zip(kind.inputs, arrived[at : at + len(fields)], strict=True))
            at += len(fields)
            for place, v in zip(self._places[name], kind.activate(mine).values(), strict=True):
                outputs[place] = exact(v)
        for name, place in self._reading.items():
            outputs[place] = exact(items.get(name, 0))
        return tuple(outputs)

    def step(self, outputs: tuple[VValue, ...], items: Mapping[str, VValue]) -> tuple[VValue, ...]:
        """One cycle: all outputs after it."""
        return self.emit(self.arrive(outputs), items)


def combine(row: list[tuple[int, Number]], outputs: tuple[VValue, ...]) -> VValue:
    """The linear combination of outputs with these weights."""
    if any(isinstance(outputs[i], dict) for i, _ in row):
        total: VValue = {}
        for i, weight in row:
            total = add(total, scale(weight, outputs[i]))
        return exact(total)
    return sum((weight * outputs[i] for i, weight in row), 0)


def is_zero(v: VValue) -> bool:
    """Whether it is the number 0, exactly, or the empty V-value. Asks no symbol."""
    return not v if isinstance(v, int | dict) else False


def exact_weight(weight: float, name: str) -> int | Fraction:
    """The fraction that a weight stands for."""
    fraction = Fraction(float(weight)).limit_denominator(LARGEST_DENOMINATOR)
    if abs(float(fraction) - float(weight)) > NEARLY * max(1.0, abs(float(weight))):
        raise InexactError(f"the weight {weight:g} of {name} is no small fraction")
    return fraction.numerator if fraction.denominator == 1 else fraction


def exact(v: VValue) -> VValue:
    """The same V-value; numbers as whole numbers or fractions, and nothing at all as 0."""
    if isinstance(v, dict):
        kept = {key: exact(part) for key, part in v.items()}
        return {key: part for key, part in kept.items() if not is_zero(part)} or 0
    if isinstance(v, int):
        return int(v)
    if isinstance(v, float):
        return int(v) if v.is_integer() else Fraction(v)
    if isinstance(v, Fraction):
        return v.numerator if v.denominator == 1 else v
    return v if not hasattr(v, "dtype") else exact(float(v))


def key_of(v: Any) -> Hashable:
    """Something hashable that is equal for equal V-values."""
    if isinstance(v, tuple):
        return tuple(map(key_of, v))
    return tuple(sorted(paths(v))) if isinstance(v, dict) else v
