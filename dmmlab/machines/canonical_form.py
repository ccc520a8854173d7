"""Canonical form: the same function with fewer links, and weights that can be read.

Many machines compute the same function: an accumulator may count by 0.71 if everything that reads
it divides by 0.71. :func:`canonical` picks one of them. What it may do follows from the scaling
that a neuron's type declares (:class:`~dmmlab.core.neuron_type.Scaling`):

* linear, as accum: its inputs may be divided by any number that its outputs are multiplied by; and
  where it adds them, what enters on either side may enter on one;
* even, as norm: the same with the number's absolute value, so the sign of its input is free;
* of a difference, as compare: what enters on both sides is merged into one; exchanging its inputs
  exchanges its outputs;
* bilinear, as dot: one side may be divided by what the other is multiplied by, and signs may go to
  the output, but no more: a clip pins the scale;
* multilinear, as nest: each input may be divided by any number that the output is multiplied by.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import networkx as nx

from ..core.machine import Link, Machine
from ..core.network_matrix import MachineError, matrix_of
from ..core.neuron_type import NeuronType, Port, Scaling
from ..core.vvalues import VValue

Rows = dict[Port, dict[Port, float]]  # input port -> {output port: weight}, the soft links
LARGEST_DENOMINATOR = 4
TINY = 1e-300  # weights whose inverse is no number


def canonical(machine: Machine, pinned: bool = True) -> Machine:
    """The machine of the same function in which the largest weight into each neuron is 1.

    It is 1 as far as the neuron's type allows. Neurons whose type declares no scaling, and those
    with hard links to others, stay as they are.

    Args:
        machine: any.
        pinned: if False, the scale of a bilinear neuron goes to its output, which is the same
            function as long as nothing is clipped.

    Returns:
        The machine with other weights, and perhaps fewer links.
    """
    as_given, machine = machine, narrowed(machine)
    rows = soft_rows(machine)
    hard = [link for link in machine.links() if link.hard]
    fixed = {n for link in hard if not _is_memory(machine, link) for n in (link.from_neuron, link.to_neuron)}
    remembering = {link.to_neuron for link in hard if link.from_neuron == link.to_neuron}
    order = _in_order(machine)
    done = {name for name in order if not machine.neurons[name].inputs or machine.neurons[name].reads_stream}
    for name in order:
        kind = machine.neurons[name]
        if kind.scaling is not None and name not in fixed:
            if kind.accumulates:
                _gather(rows, name, kind.inputs, name in remembering)
            RESCALE[kind.scaling](rows, name, kind, done)
            if kind.scaling is Scaling.BILINEAR and not pinned:
                scale = _largest(rows, [(name, kind.inputs[1])], done)
                _multiply_into(rows, name, kind.inputs[1:], 1.0 / scale)
                _multiply_out_of(rows, name, scale)
        done.add(name)
    return as_given.with_soft(from_rows(rows))


def narrowed(machine: Machine) -> Machine:
    """The same machine with narrower types, where nothing is linked to the fields of the wider.

    Args:
        machine: any.

    Returns:
        The machine, in which a neuron whose type widens another has that other type, if it has all
        fields that are linked.
    """
    linked: dict[str, set[tuple[str, str]]] = {name: set() for name in machine.neurons}
    for link in machine.links():
        linked[link.to_neuron].add(("in", link.to_field))
        linked[link.from_neuron].add(("out", link.from_field))
    neurons = {name: _narrowest(kind, linked[name]) for name, kind in machine.neurons.items()}
    return replace(machine, neurons=neurons)


def _narrowest(kind: NeuronType, linked: set[tuple[str, str]]) -> NeuronType:
    narrow = kind.widens
    if narrow is None or not linked <= {("in", f) for f in narrow.inputs} | {("out", f) for f in narrow.outputs}:
        return kind
    return _narrowest(narrow, linked)


def _is_memory(machine: Machine, link: Link) -> bool:
    """Whether a link leads from an accumulator to itself; rescaling leaves such a link as it is."""
    return link.from_neuron == link.to_neuron and machine.neurons[link.to_neuron].accumulates


def _gather(rows: Rows, name: str, fields: Sequence[str], remembering: bool) -> None:
    """All that an accumulator adds enters at its second input.

    What comes from itself enters at the first, if that is free.
    """
    into = [entry for field in fields for entry in rows.pop((name, field), {}).items()]
    for source, weight in into:
        row = rows.setdefault((name, fields[0 if source[0] == name and not remembering else 1]), {})
        row[source] = row.get(source, 0.0) + weight


def _rescale_linear(rows: Rows, name: str, kind: NeuronType, done: set[str]) -> None:
    largest = _largest(rows, [(name, field) for field in kind.inputs], done)
    _multiply_into(rows, name, kind.inputs, 1.0 / largest)
    _multiply_out_of(rows, name, abs(largest) if kind.scaling is Scaling.EVEN else largest)


def _rescale_bilinear(rows: Rows, name: str, kind: NeuronType, done: set[str]) -> None:
    left, right = kind.inputs
    first, second = (_largest(rows, [(name, field)], done) for field in (left, right))
    sign = 1.0 if second > 0 else -1.0
    _multiply_into(rows, name, [left], 1.0 / first)
    _multiply_into(rows, name, [right], sign * abs(first))
    _multiply_out_of(rows, name, sign if first > 0 else -sign)


def _rescale_multilinear(rows: Rows, name: str, kind: NeuronType, done: set[str]) -> None:
    for field in kind.inputs:
        largest = _largest(rows, [(name, field)], done)
        _multiply_into(rows, name, [field], 1.0 / largest)
        _multiply_out_of(rows, name, largest)


def _rescale_difference(rows: Rows, name: str, kind: NeuronType, done: set[str]) -> None:
    (plus, minus), (above, below) = kind.inputs, kind.outputs
    positive, negative = rows.get((name, plus), {}), rows.get((name, minus), {})
    sources = list(dict.fromkeys([*positive, *negative]))
    difference = {source: positive.get(source, 0.0) - negative.get(source, 0.0) for source in sources}
    difference = {source: w for source, w in difference.items() if w}
    uses = [sum(abs(row.get((name, output), 0.0)) for row in rows.values()) for output in kind.outputs]
    exchange = uses[1] > uses[0]
    if exchange:
        difference = {source: -w for source, w in difference.items()}
    rows[name, plus] = {source: w for source, w in difference.items() if w > 0}
    rows[name, minus] = {source: -w for source, w in difference.items() if w < 0}
    if exchange:
        exchanged = {(name, above): (name, below), (name, below): (name, above)}
        for port, row in rows.items():
            rows[port] = {exchanged.get(source, source): w for source, w in row.items()}
    largest = abs(_largest(rows, [(name, plus), (name, minus)], done))
    _multiply_into(rows, name, kind.inputs, 1.0 / largest)
    _multiply_out_of(rows, name, largest)


RESCALE: Mapping[Scaling, Callable[[Rows, str, NeuronType, set[str]], None]] = {
    Scaling.LINEAR: _rescale_linear,
    Scaling.EVEN: _rescale_linear,
    Scaling.DIFFERENCE: _rescale_difference,
    Scaling.BILINEAR: _rescale_bilinear,
    Scaling.MULTILINEAR: _rescale_multilinear,
}


def merged(machine: Machine) -> Machine:
    """The machine in which neurons of one type and with the same links into them are one neuron.

    The function is the same.
    """
    while True:
        pair = _twins(machine)
        if pair is None:
            return machine
        name, twin = pair
        rows = {port: row for port, row in soft_rows(machine).items() if port[0] != name}
        for row in rows.values():
            for source in [source for source in row if source[0] == name]:
                row[twin, source[1]] = row.get((twin, source[1]), 0.0) + row.pop(source)
        machine = machine.with_soft(from_rows(rows)).without_neuron(name)


def _twins(machine: Machine) -> tuple[str, str] | None:
    """Two neurons of one type with the same links into them, loops to themselves included.

    None with hard links to others.
    """
    into: dict[str, set] = {}
    fixed = set()
    for link in machine.links():
        itself = link.from_neuron == link.to_neuron
        source = (None, link.from_field) if itself else link[2:4]
        into.setdefault(link.to_neuron, set()).add((link.to_field, *source, float(link.weight), link.hard))
        if link.hard and not itself:
            fixed |= {link.from_neuron, link.to_neuron}
    seen: dict[Any, str] = {}
    for name, kind in machine.neurons.items():  # in their order, so that the twin that stays is in the earlier layer
        if name in into and kind.outputs and not kind.reads_stream and name not in fixed:
            key = (kind, frozenset(into[name]))
            if key in seen:
                return name, seen[key]
            seen[key] = name
    return None


def above(machine: Machine, threshold: float) -> Machine:
    """The machine without small weights and without what is then dead.

    Args:
        machine: any.
        threshold: soft links of an absolute weight up to this are left out.

    Returns:
        A new machine, of live neurons alone.
    """
    rows = {port: {source: w for source, w in row.items() if abs(w) > threshold} for port, row in soft_rows(machine).items()}
    return machine.with_soft(from_rows(rows)).live()


def rounded(machine: Machine, denominator: int = LARGEST_DENOMINATOR) -> Machine:
    """The machine with every soft weight replaced by the nearest small fraction.

    Args:
        machine: any.
        denominator: the largest one.

    Returns:
        A new machine; weights that are rounded to 0 are no links.
    """
    rows = {
        port: {source: float(Fraction(w).limit_denominator(denominator)) for source, w in row.items()}
        for port, row in soft_rows(machine).items()
    }
    return machine.with_soft(from_rows(rows))


def shortcuts(machine: Machine) -> list[Machine]:
    """Machines in each of which one neuron is left out that only passes a value on.

    What it was fed goes where its output went. Such a neuron has one link into it that does not
    come from a constant. What comes on that link then arrives a cycle earlier, so each of these
    machines is to be tried.
    """
    rows, shorter_machines = soft_rows(machine), []
    fixed = {n for link in machine.links() if link.hard and link.from_neuron != link.to_neuron for n in (link[0], link[2])}
    for name, kind in machine.neurons.items():
        into = [(port, source, w) for port, row in rows.items() if port[0] == name for source, w in row.items()]
        into = [(port, source, w) for port, source, w in into if machine.neurons[source[0]].inputs]
        if len(into) != 1 or kind.scaling in (None, Scaling.MULTILINEAR) or into[0][1][0] == name or name in fixed:
            continue
        ((to, source, weight),) = into
        shorter: Rows = {port: {s: w for s, w in row.items() if s[0] != name} for port, row in rows.items() if port[0] != name}
        for port, row in rows.items():
            through = sum(w * _gain(kind, to[1], output, weight) for (n, output), w in row.items() if n == name)
            if port[0] != name and through:
                shorter[port][source] = shorter[port].get(source, 0.0) + through
        try:
            shorter_machines.append(machine.with_soft(from_rows(shorter)).without_neuron(name))
        except MachineError:  # where it would go there is a hard link
            continue
    return shorter_machines


def _gain(kind: NeuronType, field: str, output: str, weight: float) -> float:
    """What a neuron that passes a value on multiplies it by.

    For an even one and for a difference that holds as long as the value is positive.
    """
    if kind.scaling is Scaling.EVEN:
        return abs(weight)
    if kind.scaling is Scaling.DIFFERENCE:
        return weight if (field == kind.inputs[0]) == (output == kind.outputs[0]) else -weight
    return weight


def _largest(rows: Rows, ports: Iterable[Port], done: set[str]) -> float:
    """The weight of largest size into these ports, 1.0 if there is none.

    Links from neurons that are done count first.
    """
    entries = [(source, w) for port in ports for source, w in rows.get(port, {}).items() if abs(w) > TINY]
    entries = [(source, w) for source, w in entries if source[0] in done] or entries
    return max((w for _, w in entries), key=abs, default=1.0)


def _multiply_into(rows: Rows, name: str, fields: Iterable[str], factor: float) -> None:
    for field in fields:
        if (name, field) in rows:
            rows[name, field] = {source: w * factor for source, w in rows[name, field].items()}


def _multiply_out_of(rows: Rows, name: str, factor: float) -> None:
    for port, row in rows.items():
        if any(source[0] == name for source in row):
            rows[port] = {source: w * factor if source[0] == name else w for source, w in row.items()}


def _in_order(machine: Machine) -> list[str]:
    """The neurons, each after those that feed it, as far as the loops allow."""
    graph = nx.DiGraph()
    graph.add_nodes_from(machine.neurons)
    graph.add_edges_from((link.from_neuron, link.to_neuron) for link in machine.links())
    components = nx.condensation(graph)
    return [name for c in nx.topological_sort(components) for name in sorted(components.nodes[c]["members"])]


def soft_rows(machine: Machine) -> Rows:
    """The soft links by the input that they lead to."""
    rows: Rows = {}
    for link in machine.links():
        if not link.hard:
            rows.setdefault((link.to_neuron, link.to_field), {})[link.from_neuron, link.from_field] = float(link.weight)
    return rows


def from_rows(rows: Rows) -> VValue:
    """The soft links as a V-value; the inverse of :func:`soft_rows`."""
    return matrix_of((*to, *source, weight) for to, row in rows.items() for source, weight in row.items() if weight)
