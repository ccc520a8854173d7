"""Circuit diagrams: machine -> networkx graph -> Graphviz.

A super-neuron is a box: its inputs below, its outputs above, its name between. The machine reads from the bottom,
where the input enters, upwards; a neuron stands as many rows up as the longest way from the input has links.
Soft links carry their weight, hard links are red. The DOT text depends on the machine alone, to the letter.
"""

import html
from collections.abc import Iterable

import networkx as nx

from .errors import one_of
from .graphics import FONT, Drawing, DrawingError
from .machine import Machine


def graph(machine: Machine) -> nx.MultiDiGraph:
    """The machine as a graph: an edge for every link, in the direction in which V-values flow.

    Nodes have ``kind`` (the neuron type's name), ``inputs``, ``outputs``, ``layer`` (see :func:`layers`) and
    ``boundary`` (whether something enters or leaves the machine there); edges have ``from_field``, ``to_field``,
    ``weight`` and ``hard``.
    """
    g = nx.MultiDiGraph()
    for name, kind in machine.neurons.items():
        boundary = kind.reads_stream or not kind.inputs or not kind.outputs
        g.add_node(name, kind=kind.name, inputs=kind.inputs, outputs=kind.outputs, boundary=boundary)
    for link in machine.links():
        g.add_edge(
            link.from_neuron,
            link.to_neuron,
            from_field=link.from_field,
            to_field=link.to_field,
            weight=link.weight,
            hard=link.hard,
        )
    nx.set_node_attributes(g, layers(machine, g), "layer")
    return g


def layers(machine: Machine, g: nx.MultiDiGraph) -> dict[str, int]:
    """How many links each neuron is away from the input, along the longest way; feedback does not count.

    The input is every neuron that reads a stream, and every neuron that nothing reaches. What only drives the
    input (the timer) stands below it, at negative layers.
    """
    simple = nx.DiGraph(g)
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    readers = {name for name, kind in machine.neurons.items() if kind.reads_stream}
    drivers = {name for reader in readers for name in nx.ancestors(simple, reader)} - readers
    roots = readers | {name for name in simple if not simple.in_degree(name)} - drivers
    # Feedback is a link inside a cycle that leads no farther from the input (or, where the input does not reach, from
    # the other roots).
    distance: dict[str, float] = {}
    for start in (roots, readers):
        if start:
            distance |= nx.multi_source_dijkstra_path_length(simple, start, weight=None)
    component = {name: i for i, names in enumerate(nx.strongly_connected_components(simple)) for name in names}
    forward = nx.DiGraph()
    forward.add_nodes_from(simple)
    forward.add_edges_from(
        (a, b) for a, b in simple.edges if component[a] != component[b] or distance.get(a, 0) < distance.get(b, 0)
    )
    forward.remove_edges_from([(a, b) for a, b in forward.edges if (a in drivers) != (b in drivers)])
    layer = dict.fromkeys(g, 0)
    for name in nx.topological_sort(forward):
        layer[name] = max((layer[before] + 1 for before in forward.predecessors(name)), default=0)
    lowest = max((layer[name] + 1 for name in drivers), default=0)
    return {name: n - lowest if name in drivers else n for name, n in layer.items()}


def circuit(
    machine: Machine,
    *,
    only_live: bool = False,
    hide: Iterable[str] = (),
    digits: int = 2,
    title: str | None = None,
) -> Drawing:
    """Draws a machine.

    Args:
        machine: what to draw.
        only_live: leave out the links and neurons that cannot influence the output (:meth:`Machine.live`).
        hide: names of neurons to leave out with their links, such as ``["timer"]``.
        digits: decimals of the weights.
        title: a caption below the drawing.
    """
    hide = set(hide)
    for name in hide - set(machine.neurons):
        raise DrawingError(one_of("neuron", name, machine.neurons))
    if only_live:
        machine = machine.live()
    for name in sorted(hide & set(machine.neurons)):
        machine = machine.without_neuron(name)
    g = graph(machine)
    drawing = Drawing(
        graph_attr={
            "rankdir": "BT",
            "bgcolor": "white",
            "fontname": FONT,
            "fontsize": "12",
            "nodesep": "0.35",
            "ranksep": "0.55",
        },
        node_attr={"shape": "plain", "fontname": FONT, "fontsize": "11"},
        edge_attr={"fontname": FONT, "fontsize": "9", "arrowsize": "0.6", "color": "#555555"},
    )
    if title:
        drawing.attr(label=title)
    for layer in sorted({n for _, n in g.nodes(data="layer")}):
        names = sorted(name for name, n in g.nodes(data="layer") if n == layer)
        with drawing.subgraph() as row:
            row.attr(rank="same")
            for name in names:
                row.node(name, label=_box(name, g.nodes[name]), tooltip=name)
    for link in sorted(machine.links(), key=lambda link: link[:4]):
        attributes = {"tooltip": f"{link}: {link.weight:g}"}
        if link.hard:
            attributes |= {"color": "#d01515", "fontcolor": "#d01515"}
        if not link.hard or link.weight != 1:
            attributes["label"] = f" {_number(link.weight, digits)} "
        drawing.edge(
            f"{link.from_neuron}:{_port_id('o', link.from_field)}:n",
            f"{link.to_neuron}:{_port_id('i', link.to_field)}:s",
            **attributes,
        )
    return drawing


def _box(name: str, node: dict) -> str:
    """The HTML-like label of a super-neuron: a row of outputs, the name, a row of inputs."""
    outputs = _row_of_ports("o", node["outputs"])
    inputs = _row_of_ports("i", node["inputs"])
    fill = "#eef2f7" if node["boundary"] else "#ffffff"
    return (
        f'<<table border="1" cellborder="0" cellspacing="0" cellpadding="2" style="rounded" color="#333333" '
        f'bgcolor="{fill}">{outputs}<tr><td><b>{html.escape(name)}</b></td></tr>{inputs}</table>>'
    )


def _row_of_ports(side: str, fields: Iterable[str]) -> str:
    cells = "".join(
        f'<td port="{_port_id(side, field)}"><font point-size="8" color="#555555">&#160;{html.escape(field)}&#160;</font></td>'
        for field in fields
    )
    table = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="2"><tr>{cells}</tr></table>'
    return f'<tr><td cellpadding="0">{table}</td></tr>' if cells else ""


def _port_id(side: str, field: str) -> str:
    # DOT reads ":" in an edge's end as a separator, so a port's name must not hold one.
    return side + "_" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}" for c in field)


def _number(x: float, digits: int) -> str:
    """``-0.50`` with a true minus sign; ``1`` for exactly 1; one significant digit where ``digits`` show none."""
    text = f"{x:.{digits}f}" if abs(x) >= 0.5 * 10**-digits else f"{x:.0e}"
    if x == int(x):
        text = str(int(x))
    if abs(x) >= 1e6:
        text = f"{x:.2e}"
    return text.replace("-", "−")
