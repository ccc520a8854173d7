"""Drawings of large networks as layered bundles, in which line widths and shades show the weights.

Graphviz's ``dot`` takes seconds for a thousand links, too slow for a slider. Here every position is
computed directly. Neurons stand in rows as in a circuit, and links run straight up between the
rows. Links with small weights are thin and pale, and the heaviest ones are on top. Weights are not
written on the links; they are in the tooltips.
"""

from collections.abc import Iterable

import networkx as nx

from ..core.errors import one_of
from ..core.machine import Link, Machine
from .circuits import circuit, empty_drawing, graph, idle_neurons, layers, node_id
from .graphviz_drawing import Drawing, DrawingError, as_label
from .line_styles import INK, bundle_line, largest_weight, relative_size

PORT, GAP, ROW, HEIGHT = 16.0, 14.0, 150.0, 22.0  # points: port width, neuron gap, row distance, neuron height
READABLE = 60  # links: with more of them, weights and values written on links are unreadable
FROM, TO = "/from", "/to"  # no neuron has a "/" in its name


def bundle(machine: Machine, *, hide: Iterable[str] = (), title: str | None = None, like: Machine | None = None) -> Drawing:
    """Draws a machine of any size.

    As in a circuit, outputs are above a neuron and inputs below it, in their order. Width and shade
    show ``|weight|``, and colour shows the sign, as in :func:`dmmlab.drawing.circuits.circuit`.

    Args:
        machine: the machine to draw.
        hide: names of neurons to leave out with their links.
        title: a caption below the drawing.
        like: a machine with the same neurons, before links were cut. Neurons get the positions of
            its drawing.

    Returns:
        The drawing.

    Raises:
        DrawingError: an unknown neuron in ``hide``, or ``like`` has other neurons.
    """
    if like is not None and like.neurons.keys() != machine.neurons.keys():
        raise DrawingError("like: a machine of the same neurons is needed")
    for name in hide:
        if name not in machine.neurons:
            raise DrawingError(one_of("neuron", name, machine.neurons))
        machine, like = machine.without_neuron(name), like and like.without_neuron(name)
    g = graph(machine)
    if like is not None:
        nx.set_node_attributes(g, layers(like, graph(like)), "layer")
    rows: dict[int, list[str]] = {}
    for name in sorted(g.nodes):
        rows.setdefault(g.nodes[name]["layer"], []).append(name)
    widths = {
        name: max(_width(name), PORT * max(len(kind.inputs), len(kind.outputs))) for name, kind in machine.neurons.items()
    }
    lengths = {n: sum(widths[name] + GAP for name in names) - GAP for n, names in rows.items()}
    centre, lowest = max(lengths.values(), default=0.0) / 2, min(rows, default=0)
    drawing = empty_drawing(title)
    drawing.attr(layout="nop2", outputorder="edgesfirst")
    middle: dict[str, tuple[float, float]] = {}
    for n, names in rows.items():
        x = centre - lengths[n] / 2
        for name in names:
            middle[name] = (x + widths[name] / 2, (n - lowest) * ROW)
            x += widths[name] + GAP
            drawing.node(
                node_id(name),
                label=as_label(name),
                shape="box",
                style="rounded,filled",
                fillcolor="#eef2f7" if g.nodes[name]["boundary"] else "#ffffff",
                color="#333333",
                fontcolor=INK,
                fontsize="10",
                margin="0",
                width=f"{widths[name] / 72:.4f}",
                height=f"{HEIGHT / 72:.4f}",
                pos=f"{middle[name][0]:.2f},{middle[name][1]:.2f}",
            )
    if title:
        drawing.node(":title", label=as_label(title), shape="plaintext", pos=f"{centre:.2f},{-HEIGHT - 18:.2f}")
        drawing.attr(label="")
    # Graphviz draws links neuron by neuron. To put the heaviest links on top, all of them connect
    # the same two invisible nodes. A link's tooltip names its real ends.
    for end in (FROM, TO):
        drawing.node(end, label="", shape="point", style="invis", width="0", pos=f"{centre:.2f},0")
    largest = largest_weight(machine)
    for link in sorted(machine.links(), key=lambda link: (link.hard, abs(link.weight), link[:4])):
        start, stop = _ends(link, machine, middle)
        drawing.edge(FROM, TO, pos=_lane(start, stop), **_look(link, largest))
    return drawing


def circuit_or_bundle(machine: Machine, whole: Machine | None = None, cut: Machine | None = None) -> Drawing:
    """Draws a machine as a circuit without idle neurons, or as a bundle if it has many links.

    Args:
        machine: the machine to draw.
        whole: the machine before links were cut; a bundle uses its neuron positions.
        cut: the machine before links were cut; a circuit shows the cut links dotted. By default,
            none.

    Returns:
        The drawing.
    """
    if machine.count() > READABLE:
        return bundle(machine, hide=idle_neurons(whole or machine), like=whole)
    return circuit(machine, cut=cut, hide=idle_neurons(cut or machine))


def _width(name: str) -> float:
    return 12 + 6.4 * len(name)


def _ends(link: Link, machine: Machine, middle: dict) -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns the output's position above one neuron and the input's position below another."""
    ends = []
    for name, field, fields, away in (
        (link.from_neuron, link.from_field, machine.neurons[link.from_neuron].outputs, HEIGHT / 2),
        (link.to_neuron, link.to_field, machine.neurons[link.to_neuron].inputs, -HEIGHT / 2),
    ):
        x, y = middle[name]
        ends.append((x + PORT * (fields.index(field) - (len(fields) - 1) / 2), y + away))
    return ends[0], ends[1]


def _lane(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Returns a spline that leaves upwards and arrives from below; feedback passes on the right."""
    (x0, y0), (x1, y1) = start, end
    if y1 > y0:
        bend = min(0.45 * (y1 - y0), 0.5 * ROW)
        points = [(x0, y0), (x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
    else:
        side = max(x0, x1) + 30 + (y0 - y1) / 8
        middle = (side, (y0 + y1) / 2)
        points = [(x0, y0), (x0, y0 + 20), (side, y0 + 20), middle, (side, y1 - 20), (x1, y1 - 20), (x1, y1)]
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _look(link: Link, largest: float) -> dict[str, str]:
    colour, width = bundle_line(link, relative_size(link, largest))
    return {"color": colour, "penwidth": f"{width:.2f}", "arrowhead": "none", "tooltip": as_label(f"{link}: {link.weight:g}")}
