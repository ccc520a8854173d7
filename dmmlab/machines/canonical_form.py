"""Canonical form: the same function with fewer links and readable weights.

Many machines compute the same function: an accumulator may count by 0.71 if every reader of it
divides by 0.71. :func:`canonical` picks one of these machines. The permitted changes follow from
the scaling that a neuron's type declares (:class:`~dmmlab.core.neuron_type.Scaling`):

* linear, such as accum: divide the inputs by any number and multiply the outputs by it. If the
  neuron adds its inputs, links may move from one input to the other;
* even, such as norm: the same, but the outputs are multiplied by the number's absolute value, so
  the sign of the input is free;
* difference, such as compare: merge links from one source to both inputs. Exchanging the inputs
  exchanges the outputs;
* bilinear, such as dot: divide one input by a number and multiply the other by it; move signs to
  the output. A clip pins the scale, so nothing else is permitted;
* multilinear, such as nest: divide each input by any number and multiply the output by it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import networkx as nx

from ..core.machine import Link, Machine
from ..core.network_matrix import matrix_of
from ..core.neuron_type import NeuronType, Port, Scaling
from ..core.vvalues import VValue

Rows = dict[Port, dict[Port, float]]  # input port -> {output port: weight}, the soft links
TINY = 1e-300  # smaller weights have no finite inverse


def canonical(machine: Machine, pinned: bool = True) -> Machine:
    """Rescales a machine so that the largest weight into each neuron is 1.

    The function stays the same. The weight is 1 only as far as the neuron's type allows. Neurons
    whose type declares no scaling, and neurons with hard links to others, are not changed.

    Args:
        machine: any machine.
        pinned: if False, the scale of a bilinear neuron moves to its output. This keeps the
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
    """Replaces widened neuron types by the narrower types that they widen, where possible.

    Args:
        machine: any machine.

    Returns:
        The machine. A neuron whose type widens another gets that other type if it has all the
        neuron's linked fields.
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
    """Whether a link leads from an accumulator to itself; rescaling keeps such a link."""
    return link.from_neuron == link.to_neuron and machine.neurons[link.to_neuron].accumulates


def _gather(rows: Rows, name: str, fields: Sequence[str], remembering: bool) -> None:
    """Moves all links into an accumulator to its second input.

    Links from the accumulator itself move to the first input, if that is free.
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


def _largest(rows: Rows, ports: Iterable[Port], done: set[str]) -> float:
    """Returns the weight of largest absolute value into these ports, 1.0 if there is none.

    Links from neurons in ``done`` take precedence.
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
    """Returns the neurons in topological order, as far as loops allow."""
    graph = nx.DiGraph()
    graph.add_nodes_from(machine.neurons)
    graph.add_edges_from((link.from_neuron, link.to_neuron) for link in machine.links())
    components = nx.condensation(graph)
    return [name for c in nx.topological_sort(components) for name in sorted(components.nodes[c]["members"])]


def with_swaps(machine: Machine) -> Machine:
    """Adds all links that exchanging inputs, or sides of comparisons, may create.

    A compiled network has only the links that it was compiled with; its canonical form may need
    these.

    Args:
        machine: any machine.

    Returns:
        The machine with those links, all of weight 1: a network for training.
    """
    links = set()
    for to, into, source, output, *_ in machine.links():
        intos = machine.neurons[to].inputs if machine.neurons[to].scaling is not None else (into,)
        outputs = machine.neurons[source].outputs if machine.neurons[source].scaling is Scaling.DIFFERENCE else (output,)
        links |= {(to, i, source, o) for i in intos for o in outputs}
    hard = {link[:4] for link in machine.links() if link.hard}
    return machine.with_soft(matrix_of((*link, 1.0) for link in sorted(links - hard)))


def soft_rows(machine: Machine) -> Rows:
    """Returns the soft links, grouped by the input that they lead to."""
    rows: Rows = {}
    for link in machine.links():
        if not link.hard:
            rows.setdefault((link.to_neuron, link.to_field), {})[link.from_neuron, link.from_field] = float(link.weight)
    return rows


def from_rows(rows: Rows) -> VValue:
    """Returns the soft links as a V-value; the inverse of :func:`soft_rows`."""
    return matrix_of((*to, *source, weight) for to, row in rows.items() for source, weight in row.items() if weight)
