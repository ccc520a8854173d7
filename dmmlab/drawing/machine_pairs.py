"""Drawings of two machines side by side: shared links have the same place, differences are marked.

The plan (the common layout) is the circuit of both machines together. The two machines may name
their neurons differently. Neurons that play the same part are matched by following links from the
neurons that both machines share.
"""

from collections.abc import Collection, Iterable, Mapping

from ..core.errors import one_of
from ..core.machine import Link, Machine
from ..core.neuron_type import NeuronType
from ..core.vvalues import from_paths
from ..machines.isomorphism import equivalent
from .circuits import FONT, arranged, box, circuit, empty_drawing, graph, heads, layers, look, node_id, tag
from .graphviz_drawing import Drawing, DrawingError, as_label
from .line_styles import INK, PALE, THIN, largest_weight
from .tikz import as_shown

MARK = "#dfc8f5"  # halo of links that differ: far from the colours of signs, and pale in greyscale
GAP = 48.0  # points between the two machines
ONLY, OTHER, DEAD = "not in the other machine", "has another weight in the other", "cannot influence the output"


def side_by_side(
    first: Machine,
    second: Machine,
    titles: tuple[str, str] = ("", ""),
    *,
    hide: Iterable[str] = (),
    digits: int = 2,
    align: Mapping[str, str] | None = None,
    key: bool = True,
) -> Drawing:
    """Draws two machines beside each other.

    A link that the other machine lacks has a halo. A link that the other machine has with another
    weight (to ``digits`` decimals) has a bold weight. Links and neurons that cannot influence the
    output are grey.

    Args:
        first: the machine on the left; the plan uses its names.
        second: the machine on the right.
        titles: a caption for each.
        hide: names of neurons to leave out, such as ``["timer"]``.
        digits: decimals of the weights.
        align: for neurons of ``second``, the neuron of ``first`` that plays the same part; by
            default, :func:`partners` finds them.
        key: whether a line below explains the marks that occur.

    Returns:
        The drawing.

    Raises:
        DrawingError: an unknown neuron in ``hide`` or ``align``, or partners of different types.
    """
    for name in set(hide):
        if name not in first.neurons and name not in second.neurons:
            raise DrawingError(one_of("neuron", name, {**first.neurons, **second.neurons}))
        first, second = (m.without_neuron(name) if name in m.neurons else m for m in (first, second))
    align = partners(first, second) if align is None else _checked(first, second, align)
    planned = _plan_names(first, second, align)
    panels = [(first, {name: name for name in first.neurons}, titles[0]), (second, planned, titles[1])]
    maps = [{_planned(link, names): link for link in machine.links()} for machine, names, _ in panels]
    plan = _together(panels)
    placed, slots = circuit(plan, dead="show", digits=digits).placed, heads(arranged(plan)[1])
    width = float(placed["bb"].split(",")[2])
    nodes = {thing["name"]: thing["pos"] for thing in placed.get("objects", ()) if "pos" in thing}
    edges = {as_shown(edge["tooltip"]).rpartition(": ")[0]: edge for edge in placed.get("edges", ())}
    drawing = empty_drawing(None)
    drawing.attr(layout="nop2")
    largest, marks = max(largest_weight(first), largest_weight(second)), set()
    for k, (machine, names, title) in enumerate(panels):
        shift, living = k * (width + GAP), machine.live()
        alive = {link[:4] for link in living.links()}
        for name in sorted(machine.neurons):
            label = box(name, machine.neurons[name], name in living.neurons, slots.get(names[name]))
            drawing.node(f"{k} {name}", label=label, pos=_moved(nodes[node_id(names[name])], shift), tooltip=as_label(name))
        if title:
            drawing.node(f"{k}", label=as_label(title), shape="plaintext", fontname=FONT, pos=f"{shift + width / 2:.2f},-16")
        for path, link in sorted(maps[k].items()):
            partner = maps[1 - k].get(path)
            style = look([link], largest, "live" if link[:4] in alive else "dead", digits)
            marks |= {DEAD} if link[:4] not in alive else set()
            if partner is not None and look([partner], largest, "live", digits).get("label") != style.get("label"):
                style["fontname"] = f"{FONT} Bold"
                marks.add(OTHER)
            lane = edges[f"{path[0]}.{path[1]} <- {path[2]}.{path[3]}"]
            place = {"pos": _moved(lane["pos"], shift)}
            ends = (f"{k} {link.from_neuron}", f"{k} {link.to_neuron}")
            if (start := node_id("{}.{} <- {}.{}".format(*path))) in nodes:  # the short name where feedback starts
                ends, ink = (f"{k} {link}", ends[1]), INK if link[:4] in alive else PALE
                short, tip = tag([link], machine, ink), as_label(link.from_neuron)
                drawing.node(ends[0], label=short, pos=_moved(nodes[start], shift), tooltip=tip)
            if partner is None:
                marks.add(ONLY)
                drawing.edge(*ends, color=MARK, penwidth=f"{float(style['penwidth']) + 5:.2f}", arrowhead="none", **place)
            if "lp" in lane and "label" in style:
                place["lp"] = _moved(lane["lp"], shift)
            drawing.edge(*ends, **style, **place)
    if key:
        _draw_key(drawing, marks, -40 if any(titles) else -20)
    return drawing


def _draw_key(drawing: Drawing, marks: Collection[str], y: float) -> None:
    """Draws the key from the left: a sample and the meaning of each mark that occurs."""
    x, samples = 0.0, {ONLY: (MARK, 6.0), DEAD: (PALE, THIN)}
    for mark in (ONLY, OTHER, DEAD):
        if mark not in marks:
            continue
        if mark in samples:
            ends = [f"key {mark} {end}" for end in ("from", "to")]
            for end, place in zip(ends, (x, x + 24), strict=True):
                drawing.node(end, label="", shape="point", style="invis", width="0", pos=f"{place:.2f},{y}")
            colour, width = samples[mark]
            lane = " ".join(f"{x + 8 * i:.2f},{y}" for i in range(4))
            drawing.edge(*ends, color=colour, penwidth=f"{width}", arrowhead="none", pos=lane, tooltip=mark)
        else:
            drawing.node(f"key {mark} weight", label="<<b>0.50</b>>", pos=f"{x + 12:.2f},{y}", fontsize="9")
        width = 5.6 * len(mark)
        drawing.node(
            f"key {mark}",
            label=f"{mark}\\l",
            shape="plaintext",
            fontsize="9",
            margin="0",
            width=f"{width / 72:.4f}",
            pos=f"{x + 30 + width / 2:.2f},{y}",
        )
        x += 30 + width + 18


def _checked(first: Machine, second: Machine, align: Mapping[str, str]) -> Mapping[str, str]:
    for name, partner in align.items():
        for neuron, machine in ((name, second), (partner, first)):
            if neuron not in machine.neurons:
                raise DrawingError(one_of("neuron", neuron, machine.neurons))
        if not equivalent(first.neurons[partner], second.neurons[name]):
            raise DrawingError(f"align: {name!r} and {partner!r} are neurons of different types")
    if len(set(align.values())) < len(align):
        names = sorted(name for name, partner in align.items() if list(align.values()).count(partner) > 1)
        raise DrawingError(f"align: {', '.join(map(repr, names))} have the same partner; each needs one of its own")
    return align


def partners(first: Machine, second: Machine) -> dict[str, str]:
    """Matches each neuron of ``second`` with the neuron of ``first`` that plays the same part.

    Partners have the same type. Neurons at the boundary are partners by name. Then the two neurons
    with the most common links to partners are matched, repeatedly. Ties go to the nearest in layer
    and name.

    Args:
        first: a machine.
        second: another machine.

    Returns:
        Names in ``first``, by names in ``second``; neurons without a partner are left out.
    """
    rows = {True: layers(first, graph(first)), False: layers(second, graph(second))}
    matched = {name: name for name, kind in second.neurons.items() if name in first.neurons and kind.at_boundary}
    links = [link for link in second.links() if link.from_neuron != link.to_neuron]
    there = {link[:4] for link in first.links()}
    while True:
        free = set(first.neurons) - set(matched.values())
        best: tuple | None = None
        for b in sorted(second.neurons.keys() - matched.keys()):
            for a in sorted(free):
                if not equivalent(first.neurons[a], second.neurons[b]):
                    continue
                trial = {**matched, b: a}
                common = sum(_planned(link, trial) in there for link in links if b in (link[0], link[2]))
                rank = (-common, a != b, abs(rows[True][a] - rows[False][b]), a, b)
                if best is None or rank < best:
                    best = rank
        if best is None:
            return matched
        matched[best[4]] = best[3]


def _plan_names(first: Machine, second: Machine, align: Mapping[str, str]) -> dict[str, str]:
    """Returns the plan's name of each neuron of ``second``: its partner's, or an unused one."""
    taken, names = set(first.neurons), {}
    for name in second.neurons:
        planned = align.get(name, name if name not in taken else f"{name}'")
        while name not in align and planned in taken:
            planned += "'"
        taken.add(planned)
        names[name] = planned
    return names


def _planned(link: Link, names: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Returns a link with the plan's neuron names; ``""`` for a neuron that the plan lacks."""
    return names.get(link[0], ""), link[1], names.get(link[2], ""), link[3]


def _together(panels: Iterable[tuple[Machine, Mapping[str, str], str]]) -> Machine:
    """Merges the links of all machines into one machine, under the plan's names.

    All soft links have a label, so that there is room for it.
    """
    neurons: dict[str, NeuronType] = {}
    soft: dict[tuple[str, ...], float] = {}
    hard: dict[tuple[str, ...], float] = {}
    for machine, names, _ in panels:
        neurons |= {names[name]: kind for name, kind in machine.neurons.items() if names[name] not in neurons}
        for link in machine.links():
            (hard if link.hard else soft)[_planned(link, names)] = -1.25 if not link.hard else link.weight
    return Machine(neurons, from_paths(soft.items()), from_paths((path, w) for path, w in hard.items() if path not in soft))


def _moved(places: str, shift: float) -> str:
    """Shifts Graphviz's ``"e,x,y x,y x,y"`` to the right by ``shift`` points."""
    moved = []
    for place in places.split():
        *sort, x, y = place.split(",")
        moved.append(",".join([*sort, f"{float(x) + shift:.2f}", y]))
    return " ".join(moved)
