"""Isomorphism: whether two machines are the same up to the names of their neurons.

A machine becomes a graph of neurons, ports and links. Nodes that are not interchangeable have
different labels. networkx compares the graphs.
"""

from collections import Counter
from collections.abc import Hashable

import networkx as nx

from ..core.machine import Machine
from ..core.neuron_type import NeuronType, Scaling
from ..core.vvalues import paths


def same(machine: Machine, other: Machine, tolerance: float = 1e-6) -> bool:
    """Whether two machines are equal up to the names of their neurons.

    It compares their live parts, including hard links. Neurons that read or answer must have the
    same names; outputs of constants are matched by value. The two inputs of a dot may be exchanged,
    and so may those of a compare together with its outputs.

    Args:
        machine: any machine.
        other: any machine.
        tolerance: the largest difference between the weights of two links.

    Returns:
        True if they are the same.
    """
    graphs = [_port_graph(each.live()) for each in (machine, other)]
    labels = [Counter(label for _, label in graph.nodes(data="label")) for graph in graphs]
    if labels[0] != labels[1]:
        return False
    return nx.is_isomorphic(
        graphs[0],
        graphs[1],
        node_match=lambda a, b: a["label"] == b["label"],
        edge_match=lambda a, b: a["hard"] == b["hard"] and abs(a["weight"] - b["weight"]) <= tolerance,
    )


def equivalent(kind: NeuronType, other: NeuronType) -> bool:
    """Whether two neuron types are known to compute the same.

    This holds if they have the same function and ports, or are constants of the same value.

    Args:
        kind: a neuron type.
        other: a neuron type.

    Returns:
        True if they are known to compute the same.
    """
    return (kind.inputs, kind.outputs, _identity(kind)) == (other.inputs, other.outputs, _identity(other))


def _identity(kind: NeuronType) -> Hashable:
    if not kind.outputs:
        return ()
    if kind.is_constant:
        return tuple(_emitted(kind).values())
    return "sum" if kind.accumulates else kind.function


def _emitted(kind: NeuronType) -> dict[str, Hashable]:
    """Returns the leaves that a constant emits, by output, in the order of the paths."""
    return {field: tuple(sorted((path, float(x)) for path, x in paths(v))) for field, v in kind.activate({}).items()}


def _port_graph(machine: Machine) -> nx.DiGraph:
    """Returns a graph with neurons and ports as nodes, and links as edges between ports."""
    graph = nx.DiGraph()
    links = list(machine.links())
    used = {link[:2] for link in links} | {link[2:4] for link in links}
    for name, kind in machine.neurons.items():
        keeps_name = kind.reads_stream or not kind.outputs or name == "output"
        emitted: dict[str, Hashable] = _emitted(kind) if kind.is_constant else {}
        graph.add_node(name, label=(_identity(kind), (name, kind.inputs) if keeps_name else ()))
        symmetric = kind.scaling in (Scaling.BILINEAR, Scaling.DIFFERENCE)
        for side, fields in (("in", kind.inputs), ("out", kind.outputs)):
            for i, field in enumerate(fields):
                if (name, field) in used or symmetric:
                    port = (name, side, field)
                    alike = symmetric or kind.accumulates
                    graph.add_node(port, label=(side, emitted.get(field, "" if alike else field)))
                    ends = (port, name) if side == "in" else (name, port)
                    graph.add_edge(*ends, weight=0.0, hard=None)
                    if kind.scaling is Scaling.DIFFERENCE and side == "out":
                        graph.add_edge((name, "in", kind.inputs[i]), port, weight=0.0, hard=None)
    for link in links:
        graph.add_edge((link[2], "out", link[3]), (link[0], "in", link[1]), weight=link.weight, hard=link.hard)
    return graph
