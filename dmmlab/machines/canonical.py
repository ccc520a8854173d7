"""Simplify and explain: the same function with fewer links, weights that can be read, and what machine it is.

Many machines compute the same function: an accumulator may count by 0.71 if everything that reads it divides by 0.71.
:func:`canonical` picks one of them. What each type allows (all of it follows from its function):

* accum is linear: its inputs may be divided by any number that its outputs are multiplied by; and it adds them, so what enters
  on either side may enter on one;
* norm is even and homogeneous: the same with the number's absolute value, so the sign of its input is free;
* compare is homogeneous, and sees the difference of its inputs alone: what enters on both sides is merged into one;
  exchanging its inputs exchanges its outputs;
* dot is bilinear, then clipped to [-4, 4]: one side may be divided by what the other is multiplied by, and signs may
  go to the output, but no more: the clip pins the scale.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import networkx as nx

from ..core.engine import Streams
from ..compiler.layout import lay_out
from ..core.machine import Link, Machine, MachineError
from ..core.neurons import ACCUM, COMPARE, DOT, NORM, NeuronType, Port, add_cut
from ..core.vvalues import VValue, paths

Rows = dict[Port, dict[Port, float]]  # input port -> {output port: weight}, the soft links
LARGEST_DENOMINATOR = 4
TINY = 1e-300  # weights whose inverse is no number


def canonical(machine: Machine, pinned: bool = True) -> Machine:
    """The machine of the same function in which the largest weight into each neuron is 1, as far as its type allows.

    Neurons of other types than accum, norm, dot and compare, and those with hard links to others, stay as they are.
    Without ``pinned`` the scale of a dot goes to its output, which is the same function as long as nothing is clipped.
    """
    rows = _rows(machine)
    hard = [link for link in machine.links() if link.hard]
    fixed = {n for link in hard if not _is_memory(machine, link) for n in (link.from_neuron, link.to_neuron)}
    remembering = {link.to_neuron for link in hard if link.from_neuron == link.to_neuron}
    order = _in_order(machine)
    done = {name for name in order if not machine.neurons[name].inputs or machine.neurons[name].reads_stream}
    for name in order:
        rescale = RESCALE.get(machine.neurons[name].function)
        if rescale is not None and name not in fixed:
            if rescale is _rescale_accum:
                _gather(rows, name, machine.neurons[name].inputs, name in remembering)
            rescale(rows, name, machine.neurons[name].inputs, done)
            if rescale is _rescale_dot and not pinned:
                scale = _largest(rows, [(name, machine.neurons[name].inputs[1])], done)
                _multiply_into(rows, name, machine.neurons[name].inputs[1:], 1.0 / scale)
                _multiply_out_of(rows, name, scale)
        done.add(name)
    return machine.with_soft(_tree(rows))


def _is_memory(machine: Machine, link: Link) -> bool:
    """Whether a link leads from an accumulator to itself: that commutes with what may be done to accumulators."""
    function = machine.neurons[link.to_neuron].function
    return link.from_neuron == link.to_neuron and function in (ACCUM.function, add_cut)


def _gather(rows: Rows, name: str, fields: Sequence[str], remembering: bool) -> None:
    """All that an accumulator adds enters on its second side, but what comes from itself on the first, if that is free."""
    memory, fresh = ((name, field) for field in fields)
    into = [*rows.pop(memory, {}).items(), *rows.pop(fresh, {}).items()]
    for source, weight in into:
        row = rows.setdefault(memory if source[0] == name and not remembering else fresh, {})
        row[source] = row.get(source, 0.0) + weight


def _rescale_accum(rows: Rows, name: str, fields: Iterable[str], done: set[str]) -> None:
    largest = _largest(rows, [(name, field) for field in fields], done)
    _multiply_into(rows, name, fields, 1.0 / largest)
    _multiply_out_of(rows, name, largest)


def _rescale_norm(rows: Rows, name: str, fields: Iterable[str], done: set[str]) -> None:
    largest = _largest(rows, [(name, field) for field in fields], done)
    _multiply_into(rows, name, fields, 1.0 / largest)
    _multiply_out_of(rows, name, abs(largest))


def _rescale_dot(rows: Rows, name: str, fields: Iterable[str], done: set[str]) -> None:
    one, other = fields
    first, second = (_largest(rows, [(name, field)], done) for field in (one, other))
    sign = 1.0 if second > 0 else -1.0
    _multiply_into(rows, name, [one], 1.0 / first)
    _multiply_into(rows, name, [other], sign * abs(first))
    _multiply_out_of(rows, name, sign if first > 0 else -sign)


def _rescale_compare(rows: Rows, name: str, fields: Iterable[str], done: set[str]) -> None:
    one, other = fields
    plus, minus = rows.get((name, one), {}), rows.get((name, other), {})
    sources = list(dict.fromkeys([*plus, *minus]))
    difference = {source: plus.get(source, 0.0) - minus.get(source, 0.0) for source in sources}
    difference = {source: w for source, w in difference.items() if w}
    true, false = (sum(abs(row.get((name, output), 0.0)) for row in rows.values()) for output in ("true", "false"))
    if false > true:
        difference = {source: -w for source, w in difference.items()}
    rows[name, one] = {source: w for source, w in difference.items() if w > 0}
    rows[name, other] = {source: -w for source, w in difference.items() if w < 0}
    if false > true:
        exchanged = {(name, "true"): (name, "false"), (name, "false"): (name, "true")}
        for port, row in rows.items():
            rows[port] = {exchanged.get(source, source): w for source, w in row.items()}
    largest = abs(_largest(rows, [(name, one), (name, other)], done))
    _multiply_into(rows, name, (one, other), 1.0 / largest)
    _multiply_out_of(rows, name, largest)


RESCALE: Mapping[Callable, Callable[[Rows, str, Iterable[str], set[str]], None]] = {
    ACCUM.function: _rescale_accum,
    add_cut: _rescale_accum,
    NORM.function: _rescale_norm,
    DOT.function: _rescale_dot,
    COMPARE.function: _rescale_compare,
}


def merged(machine: Machine) -> Machine:
    """Neurons of one type with the same links into them are made one. The function is the same."""
    while True:
        pair = _twins(machine)
        if pair is None:
            return machine
        name, twin = pair
        rows = {port: row for port, row in _rows(machine).items() if port[0] != name}
        for row in rows.values():
            for source in [source for source in row if source[0] == name]:
                row[twin, source[1]] = row.get((twin, source[1]), 0.0) + row.pop(source)
        machine = machine.with_soft(_tree(rows)).without_neuron(name)


def _twins(machine: Machine) -> tuple[str, str] | None:
    """Two neurons of one type with the same links into them, loops to themselves included; none with hard links to others."""
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


def without_idle_links(machine: Machine, streams: Streams, cycles: int | None = None) -> Machine:
    """Without the soft links on which nothing can flow that their neuron looks at, given streams with these keys.

    Raises :class:`~dmmlab.compiler.layout.LayoutError` for a machine that cannot be laid out.
    """
    layout = lay_out(machine, streams, cycles or 1)
    rows = {
        port: {
            source: w
            for source, w in row.items()
            if layout.used.get(port, layout.carried.get(source, frozenset())) & layout.carried.get(source, frozenset())
        }
        for port, row in _rows(machine).items()
    }
    return machine.with_soft(_tree(rows))


def above(machine: Machine, threshold: float) -> Machine:
    """Without the soft links of weights up to ``threshold``, and without what is then dead."""
    rows = {port: {source: w for source, w in row.items() if abs(w) > threshold} for port, row in _rows(machine).items()}
    return machine.with_soft(_tree(rows)).live()


def rounded(machine: Machine, denominator: int = LARGEST_DENOMINATOR) -> Machine:
    """Every soft weight replaced by the nearest fraction whose denominator is no larger than ``denominator``."""
    rows = {
        port: {source: float(Fraction(w).limit_denominator(denominator)) for source, w in row.items()}
        for port, row in _rows(machine).items()
    }
    return machine.with_soft(_tree(rows))


def shortcuts(machine: Machine) -> list[Machine]:
    """Machines in which one neuron that only passes a value on is left out: what it was fed goes where it went.

    Such a neuron has one link into it that does not come from a constant; what comes on that link then arrives a cycle
    earlier, so each of these machines is to be tried.
    """
    rows, found = _rows(machine), []
    fixed = {n for link in machine.links() if link.hard and link.from_neuron != link.to_neuron for n in (link[0], link[2])}
    for name, kind in machine.neurons.items():
        into = [(port, source, w) for port, row in rows.items() if port[0] == name for source, w in row.items()]
        into = [(port, source, w) for port, source, w in into if machine.neurons[source[0]].inputs]
        if len(into) != 1 or kind.function not in RESCALE or into[0][1][0] == name or name in fixed:
            continue
        ((to, source, weight),) = into
        shorter: Rows = {port: {s: w for s, w in row.items() if s[0] != name} for port, row in rows.items() if port[0] != name}
        for port, row in rows.items():
            through = sum(w * _gain(kind, to[1], output, weight) for (n, output), w in row.items() if n == name)
            if port[0] != name and through:
                shorter[port][source] = shorter[port].get(source, 0.0) + through
        try:
            found.append(machine.with_soft(_tree(shorter)).without_neuron(name))
        except MachineError:  # where it would go there is a hard link
            continue
    return found


def _gain(kind: NeuronType, field: str, output: str, weight: float) -> float:
    """What a neuron that passes a value on multiplies it by: accum and dot as they are, norm and compare what is positive."""
    if kind.function is NORM.function:
        return abs(weight)
    if kind.function is COMPARE.function:
        return weight if (field == kind.inputs[0]) == (output == kind.outputs[0]) else -weight
    return weight


def same(one: Machine, other: Machine, tolerance: float = 1e-6) -> bool:
    """Whether two machines are equal up to the names of their neurons: their live parts, the hard links too.

    Neurons that read or answer keep their names; constants are known by what they emit. The two inputs of a dot may be
    exchanged, and so may those of a compare together with its outputs.
    """
    graphs = [_port_graph(machine.live()) for machine in (one, other)]
    labels = [Counter(label for _, label in graph.nodes(data="label")) for graph in graphs]
    if labels[0] != labels[1]:
        return False
    return nx.is_isomorphic(
        graphs[0],
        graphs[1],
        node_match=lambda a, b: a["label"] == b["label"],
        edge_match=lambda a, b: a["hard"] == b["hard"] and abs(a["weight"] - b["weight"]) <= tolerance,
    )


def equivalent(one: NeuronType, other: NeuronType) -> bool:
    """Whether two types compute the same, as far as can be told: the same function, or constants of the same value."""
    return (one.inputs, one.outputs, _identity(one)) == (other.inputs, other.outputs, _identity(other))


def _identity(kind: NeuronType) -> Hashable:
    if kind.reads_stream or not kind.outputs:
        return kind.reads_stream
    if not kind.inputs:
        return tuple(tuple(sorted((path, float(x)) for path, x in paths(v))) for v in kind.activate({}).values())
    return ACCUM.function if kind.function is add_cut else kind.function


def _port_graph(machine: Machine) -> nx.DiGraph:
    """Neurons and their ports as nodes, the links as edges between ports."""
    graph = nx.DiGraph()
    links = list(machine.links())
    used = {link[:2] for link in links} | {link[2:4] for link in links}
    for name, kind in machine.neurons.items():
        label: Hashable = (name, kind.inputs) if kind.reads_stream or not kind.outputs else _identity(kind)
        graph.add_node(name, label=label)
        symmetric = kind.function in (DOT.function, COMPARE.function)
        for side, fields in (("in", kind.inputs), ("out", kind.outputs)):
            for i, field in enumerate(fields):
                if (name, field) in used or symmetric:
                    port = (name, side, field)
                    alike = symmetric or kind.function in (ACCUM.function, add_cut) or not kind.inputs
                    graph.add_node(port, label=(side, "" if alike else field))
                    ends = (port, name) if side == "in" else (name, port)
                    graph.add_edge(*ends, weight=0.0, hard=None)
                    if kind.function is COMPARE.function and side == "out":
                        graph.add_edge((name, "in", kind.inputs[i]), port, weight=0.0, hard=None)
    for link in links:
        graph.add_edge((link[2], "out", link[3]), (link[0], "in", link[1]), weight=link.weight, hard=link.hard)
    return graph


def _largest(rows: Rows, ports: Iterable[Port], done: set[str]) -> float:
    """The weight of largest size into these ports, from neurons that are done if there are any; 1 if there are none."""
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


def _rows(machine: Machine) -> Rows:
    rows: Rows = {}
    for link in machine.links():
        if not link.hard:
            rows.setdefault((link.to_neuron, link.to_field), {})[link.from_neuron, link.from_field] = float(link.weight)
    return rows


def _tree(rows: Rows) -> VValue:
    tree: dict = {}
    for to, row in rows.items():
        for source, weight in row.items():
            if weight:
                tree.setdefault(to[0], {}).setdefault(to[1], {}).setdefault(source[0], {})[source[1]] = weight
    return tree
