"""Circuit diagrams: machine -> networkx graph -> Graphviz.

A neuron is a box with inputs at the bottom, its name in the middle and outputs at the top. A
circuit reads upwards from the input. A neuron's row is the number of links on the longest path from
the input. A link to the same row or a lower one is feedback. It is drawn as a short line from the
name of the neuron that it comes from, as in a block diagram: ``c2`` for ``compare-2``.

Soft links carry their weight. A larger weight has a wider and darker line. Positive links are dark
blue and end in an arrow; negative ones are ochre and end in a ring. Both are distinguishable in
greyscale and for the colour-blind. Hard links are red. The DOT text depends on the machine alone,
byte for byte.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence

import networkx as nx

from ..core.errors import one_of
from ..core.machine import Link, Machine
from ..core.neuron_type import NeuronType
from ..core.vvalues import from_paths, paths
from .graphviz_drawing import FONT, Drawing, DrawingError, as_label
from .line_styles import HARD, INK, PALE, circuit_line, largest_weight, relative_size
from .row_order import in_order

DEAD = ("grey", "hide", "show")
SLOT, MOST_SLOTS = 9, 8  # points per arrowhead at an input; arrowheads per input before they get narrower

Heads = dict[str, dict[str, list[Link]]]  # the lines that end at each input, by neuron and input


def graph(machine: Machine) -> nx.MultiDiGraph:
    """Converts a machine to a graph with an edge for every link, in the direction of the data flow.

    Nodes have ``kind`` (the neuron type's name), ``layer`` (see :func:`layers`) and ``boundary``
    (``at_boundary`` of the type). Edges have ``from_field``, ``to_field``, ``weight`` and ``hard``.
    All values are strings, numbers or booleans, so graph file formats can store them.
    """
    g = nx.MultiDiGraph()
    for name, kind in machine.neurons.items():
        g.add_node(name, kind=kind.name, boundary=kind.at_boundary)
    for link in machine.links():
        g.add_edge(
            link.from_neuron,
            link.to_neuron,
            from_field=link.from_field,
            to_field=link.to_field,
            weight=float(link.weight),
            hard=link.hard,
        )
    nx.set_node_attributes(g, layers(machine, g), "layer")
    return g


def layers(machine: Machine, g: nx.MultiDiGraph) -> dict[str, int]:
    """Returns each neuron's layer: the number of links on the longest path from the input.

    Feedback does not count. The input is every neuron that reads a stream, and every neuron without
    incoming links. Neurons that only drive the input (the timer) get negative layers, below it.
    """
    simple = nx.DiGraph(g)
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    readers = {name for name, kind in machine.neurons.items() if kind.reads_stream}
    drivers = {name for reader in readers for name in nx.ancestors(simple, reader)} - readers
    roots = readers | {name for name in simple if not simple.in_degree(name)} - drivers
    # A link in a loop is feedback if it leads no farther from the input. For neurons that the input
    # does not reach, the distance from the other roots counts.
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
    dead: str = "grey",
    only_live: bool = False,
    hide: Iterable[str] = (),
    digits: int = 2,
    merge: bool = False,
    cut: Machine | None = None,
    title: str | None = None,
    below: Mapping[str, str] | None = None,
) -> Drawing:
    """Draws a machine as a circuit.

    Args:
        machine: the machine to draw.
        dead: how to draw links and neurons that cannot influence the output (:meth:`Machine.live`):
            ``"grey"``, ``"hide"``, or ``"show"`` to draw them like all others.
        only_live: the same as ``dead="hide"``.
        hide: names of neurons to leave out with their links, such as ``["timer"]``.
        digits: decimals of the weights.
        merge: one line for all links from a neuron to another, with a list of their weights.
        cut: the larger machine before links were cut: cut links are dotted, and neurons keep their
            positions.
        title: a caption below the drawing.
        below: a second line for the labels of links, by link name (``str(link)``).

    Returns:
        The drawing.

    Raises:
        DrawingError: an unknown neuron in ``hide``, or an unknown ``dead``.
    """
    if dead not in DEAD:
        raise DrawingError(one_of("dead", dead, DEAD))
    hide = set(hide)
    for name in hide - set(machine.neurons):
        raise DrawingError(one_of("neuron", name, machine.neurons))
    living = machine if dead == "show" else machine.live()
    if only_live or dead == "hide":
        machine = living
    whole = machine if cut is None else _with_what_was_cut(machine, cut)
    for name in sorted(hide & set(whole.neurons)):
        whole = whole.without_neuron(name)
    rows, lines = arranged(whole, merge)
    layer = {name: n for n, names in enumerate(rows) for name in names}
    slots = heads(lines)
    drawing = empty_drawing(title)
    drawing.attr(nodesep="0.2", ordering="in")  # lines arrive in the order in which they stand in the text
    for names in rows:
        with drawing.subgraph() as row:
            row.attr(rank="same")
            for name in names:
                label = box(name, whole.neurons[name], name in living.neurons, heads=slots.get(name, {}))
                row.node(node_id(name), label=label, tooltip=as_label(name))
    there, alive = ({link[:4] for link in each.links()} for each in (machine, living))
    largest = largest_weight(whole)
    loops = {line[0].to_neuron: line[0] for line in lines if line[0].from_neuron == line[0].to_neuron}
    short = {line[0] for line in lines if is_feedback(line[0], layer, loops)}
    fed = {layer[link.to_neuron] for link in short}
    for line in lines:
        present = [link for link in line if link[:4] in there]
        style = "cut" if not present else "live" if any(link[:4] in alive for link in present) else "dead"
        attributes = look(present or line, largest, style, digits)
        if second := " / ".join(filter(None, ((below or {}).get(str(link)) for link in line))):
            attributes["label"] = "\n".join(filter(None, (attributes.get("label"), as_label(f" {second} "))))
        start, end = _ends(line, slots)
        if line[0] in short:
            start = node_id(str(line[0]))
            label = tag(line, whole, INK if style == "live" else PALE)
            drawing.node(start, label=label, tooltip=as_label(line[0].from_neuron))
        elif layer[line[0].to_neuron] in fed and line[0].from_neuron != line[0].to_neuron:
            attributes["minlen"] = "2"  # passes below the names of the neurons that feed back
        drawing.edge(start, end, **attributes)
    return drawing


def is_feedback(link: Link, layer: Mapping[str, int], loops: Mapping[str, Link]) -> bool:
    """Returns whether a link leads to the same or a lower layer, and is not its neuron's loop."""
    return layer[link.to_neuron] <= layer[link.from_neuron] and loops.get(link.from_neuron) != link


def arranged(machine: Machine, merge: bool = False) -> tuple[list[list[str]], list[list[Link]]]:
    """Arranges a machine so that few lines cross.

    Returns:
        The neurons of each row, from left to right; and the lines, sorted by the place at which
        they arrive: first those from below, then feedback, then those from a neuron to itself,
        which go around its right side.
    """
    layer, lines = dict(graph(machine).nodes(data="layer")), lines_of(machine, merge)
    slots, place, ends = heads(lines), {}, {}
    for link in (line[0] for line in lines):
        place[link] = _middle(link.to_field, ports(machine.neurons[link.to_neuron], slots[link.to_neuron]))
        if layer[link.from_neuron] < layer[link.to_neuron]:
            start = _middle(link.from_field, machine.neurons[link.from_neuron].outputs)
            ends[link] = (link.from_neuron, start, link.to_neuron, place[link])
    rows, arrivals = in_order(layer, ends)
    lines.sort(key=lambda line: (arrivals.get(line[0], math.inf), place[line[0]]))
    return rows, sorted(lines, key=lambda line: line[0].from_neuron == line[0].to_neuron)


def _middle(field: str, fields: Sequence[str]) -> float:
    return (fields.index(field) + 0.5) / len(fields)


def tag(line: Sequence[Link], machine: Machine, ink: str) -> str:
    """Returns the label where feedback starts: an output, and its neuron's short name below it.

    ``compare-2`` is ``c2``, unless the machine has numbered neurons of another type with a ``c``.
    """
    name, fields = line[0].from_neuron, {link.from_field for link in line}
    kind = machine.neurons[name]
    numbered = {each.name for name, each in machine.neurons.items() if name.startswith(f"{each.name}-")}
    if kind.name in numbered and [each[0] for each in numbered].count(kind.name[0]) == 1:
        name = name.replace(f"{kind.name}-", kind.name[0], 1)
    text = _row(f'<td><font point-size="9" color="{ink}">{html.escape(name)}</font></td>')
    output = _row_of_ports("o", fields, "#555555", {}) if len(kind.outputs) > len(fields) == 1 else ""
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{output}{text}</table>>'


def ports(kind: NeuronType, heads: Mapping[str, Sequence[Link]]) -> list[str]:
    """Returns the inputs from left to right: last, those to which a line goes around the neuron."""
    return sorted(kind.inputs, key=lambda field: any(link.from_neuron == link.to_neuron for link in heads.get(field, ())))


def idle_neurons(machine: Machine) -> set[str]:
    """Returns neurons without soft links, except those that read a stream or take the answers."""
    linked = {name for link in machine.links() if not link.hard for name in (link.from_neuron, link.to_neuron)}
    return {name for name, kind in machine.neurons.items() if kind.outputs and not kind.reads_stream} - linked


def empty_drawing(title: str | None = None) -> Drawing:
    """Returns an empty drawing in the journal's style."""
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
        edge_attr={"fontname": FONT, "fontsize": "9", "arrowsize": "0.6"},
    )
    if title:
        drawing.attr(label=as_label(title))
    return drawing


def look(links: Sequence[Link], largest: float, style: str = "live", digits: int = 2) -> dict[str, str]:
    """Returns the Graphviz attributes of a line that stands for the given links.

    Width and shade show ``|weight| / largest``, and colour shows the sign. ``style`` is ``"live"``,
    ``"dead"`` (grey) or ``"cut"`` (dotted).
    """
    main = max(links, key=lambda link: abs(link.weight))
    colour, width = circuit_line(main, relative_size(main, largest), style)
    attributes = {"tooltip": as_label("; ".join(f"{link}: {link.weight:g}" for link in links))}
    attributes |= {"color": colour, "penwidth": f"{width:.2f}"}
    if style == "cut":
        attributes |= {"style": "dotted", "arrowhead": "none"}
    elif main.weight < 0:
        attributes["arrowhead"] = "odot"
    if not main.hard or main.weight != 1:
        weights = [decimal(link.weight, digits) for link in links]
        attributes["label"] = f" {', '.join(weights) if len(weights) < 4 else f'{len(weights)} links'} "
        attributes["fontcolor"] = HARD if main.hard and style == "live" else INK if style == "live" else "#999999"
    return attributes


def _with_what_was_cut(machine: Machine, cut: Machine) -> Machine:
    """Returns a machine with the links of both; shared links have the first machine's weights."""
    soft = dict(paths(cut.soft)) | dict(paths(machine.soft))
    hard = dict(paths(cut.hard)) | dict(paths(machine.hard))
    neurons = {**cut.neurons, **machine.neurons}
    return Machine(neurons, from_paths(soft.items()), from_paths((path, w) for path, w in hard.items() if path not in soft))


def lines_of(machine: Machine, merge: bool = False) -> list[list[Link]]:
    """Groups links into lines: one link each, or with ``merge`` all links between two neurons."""
    links = sorted(machine.links(), key=lambda link: link[:4])
    if not merge:
        return [[link] for link in links]
    lines: dict[tuple, list[Link]] = {}
    for link in links:
        lines.setdefault((link.from_neuron, link.to_neuron, link.hard), []).append(link)
    return list(lines.values())


def heads(lines: Iterable[Sequence[Link]]) -> Heads:
    """Returns the lines that end at each input, from left to right, each with its own end point.

    The input is ``""`` for a line that ends at the neuron as a whole.
    """
    found: Heads = {}
    for line in lines:
        found.setdefault(line[0].to_neuron, {}).setdefault(_input_of(line), []).append(line[0])
    return found


def _input_of(line: Sequence[Link]) -> str:
    inputs = {link.to_field for link in line}
    return inputs.pop() if len(inputs) == 1 else ""


def _ends(line: Sequence[Link], slots: Heads) -> tuple[str, str]:
    """Returns a line's start and end: ports, or whole neurons if its links use several ports."""
    first, outputs, field = line[0], {link.from_field for link in line}, _input_of(line)
    out_port = f":{port_id('o', first.from_field)}" if len(outputs) == 1 else ""
    beside = slots[first.to_neuron][field]
    in_port = f":{port_id('i', field)}" if field or len(beside) > 1 else ""
    if len(beside) > 1:
        in_port += f"_{beside.index(first)}"
    return f"{node_id(first.from_neuron)}{out_port}:n", f"{node_id(first.to_neuron)}{in_port}:s"


def box(name: str, kind: NeuronType, alive: bool = True, heads: Mapping[str, Sequence[Link]] | None = None) -> str:
    """Returns the HTML-like label of a neuron: a row of outputs, the name, a row of inputs.

    An input at which several lines end (:func:`heads`) has a slot for each at its lower edge.
    """
    heads = heads or {}
    ink, small, frame = (INK, "#555555", "#333333") if alive else ("#aaaaaa", "#bbbbbb", PALE)
    outputs = _row_of_ports("o", kind.outputs, small, {})
    inputs = _row_of_ports("i", ports(kind, heads), small, heads)
    whole = _row(_cell(_slots("", len(heads.get("", ())))))
    fill = "#eef2f7" if kind.at_boundary and alive else "#ffffff"
    middle = _row(f'<td><b><font color="{ink}">{html.escape(name)}</font></b></td>')
    return (
        f'<<table border="1" cellborder="0" cellspacing="0" cellpadding="2" style="rounded" color="{frame}" '
        f'bgcolor="{fill}">{outputs}{middle}{inputs}{whole}</table>>'
    )


def _row_of_ports(side: str, fields: Iterable[str], colour: str, heads: Mapping[str, Sequence[Link]]) -> str:
    cells = ""
    for field in fields:
        text, port = f'<font point-size="8" color="{colour}">&#160;{html.escape(field)}&#160;</font>', port_id(side, field)
        slots = _slots(field, len(heads.get(field, ())))
        cells += _cell(_row(f"<td>{text}</td>") + _row(_cell(slots)), port) if slots else f'<td port="{port}">{text}</td>'
    return _row(_cell(_row(cells)))


def _slots(field: str, count: int) -> str:
    """Returns a row of ``count`` slots for arrowheads at an input; empty if fewer than two."""
    if count < 2:
        return ""
    width, port = max(1, min(SLOT, MOST_SLOTS * SLOT // count)), port_id("i", field)
    return _row("".join(f'<td port="{port}_{i}" width="{width}" height="1" cellpadding="0"></td>' for i in range(count)))


def _row(cells: str) -> str:
    return f"<tr>{cells}</tr>" if cells else ""


def _cell(rows: str, port: str = "") -> str:
    """Returns a cell that is filled by a table of the given rows."""
    name = f' port="{port}"' if port else ""
    table = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="2">{rows}</table>'
    return f'<td{name} cellpadding="0">{table}</td>' if rows else ""


def node_id(name: str) -> str:
    """Returns a neuron's name in DOT; names like ``<b>`` get a space, so that they are not HTML."""
    return f" {name}" if name.startswith("<") and name.endswith(">") else name


def port_id(side: str, field: str) -> str:
    """Returns the DOT name of an output (``side`` is ``"o"``) or an input (``"i"``) of a neuron."""
    # DOT reads ":" in an edge's end as a separator, so a port's name must not contain one.
    return side + "_" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}" for c in field)


def decimal(x: float, digits: int) -> str:
    """Formats a number: ``−0.50`` with a true minus; ``1`` for 1; a digit if ``digits`` show 0."""
    text = f"{x:.{digits}f}" if abs(x) >= 0.5 * 10**-digits else f"{x:.0e}"
    if x == int(x):
        text = str(int(x))
    if abs(x) >= 1e6:
        text = f"{x:.2e}"
    return text.replace("-", "−")
