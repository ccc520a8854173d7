"""Ways to look at V-values and at runs: as text, as a tree, as a table.

One and the same V-value is a nested dictionary, a prefix tree with numbers in its leaves, a finite sum of paths
with coefficients, and a sparse tensor of mixed rank. The dictionary is what the code holds; here are the others.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .engine import State
from .graphics import FONT, Drawing
from .vvalues import VValue, max_norm, paths, trim

if TYPE_CHECKING:
    import pandas as pd


def show(v: VValue, digits: int = 6) -> str:
    """A V-value as a short line: ``{t: 2, word: {length: 4}}``; numbers to so many significant digits."""
    if not isinstance(v, dict):
        return f"{v:.{digits}g}"
    inside = ", ".join(f"{_key(key)}: {show(part, digits)}" for key, part in v.items())
    return f"{{{inside}}}" if v else "0"


def as_sum(v: VValue) -> str:
    """A V-value as a linear combination of paths: ``2·(t) + 4·(word length) + 0.5·()``; ``()`` is the empty path."""
    terms = [f"{leaf:g}·({' '.join(_key(key) for key in path)})" for path, leaf in paths(trim(v))]
    return " + ".join(terms).replace("+ -", "− ") or "0"


def as_table(v: VValue) -> "pd.DataFrame":
    """A V-value as a sparse tensor of mixed rank: a row for each coordinate, a column for each level of its index."""
    import pandas as pd

    coordinates = list(paths(trim(v)))
    depth = max((len(path) for path, _ in coordinates), default=0)
    rows = [[*path, *[""] * (depth - len(path)), leaf] for path, leaf in coordinates]
    return pd.DataFrame(rows, columns=[*(f"index {level}" for level in range(1, depth + 1)), "value"])


def as_tree(v: VValue) -> Drawing:
    """A V-value as a prefix tree, drawn: keys on the branches, numbers in the leaves."""
    drawing = Drawing(
        graph_attr={"bgcolor": "white", "nodesep": "0.3", "ranksep": "0.35"},
        node_attr={"fontname": FONT, "fontsize": "11"},
        edge_attr={"fontname": FONT, "fontsize": "10", "arrowsize": "0.5", "color": "#555555"},
    )
    drawing.node("n", label="", shape="point")
    _grow(drawing, "n", trim(v))
    return drawing


def flow_table(states: Iterable[State], digits: int = 4) -> "pd.DataFrame":
    """What flows in a run: a row for every input and output that ever carries something, a column for every cycle."""
    import pandas as pd

    table: dict[tuple[str, str], dict[int, str]] = {}
    for state in states:
        for side, fields in (("in", state.inputs), ("out", state.outputs)):
            for neuron, ports in fields.items():
                for port, v in ports.items():
                    table.setdefault((f"{neuron}.{port}", side), {})[state.cycle] = show(v, digits)
    frame = pd.DataFrame.from_dict(table, orient="index").fillna("")
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["port", ""])
    return frame.sort_index(axis="columns").sort_index().rename_axis(columns="cycle")


def distance(u: VValue, v: VValue) -> Any:
    """The largest absolute difference of two V-values over all coordinates."""
    from .vvalues import add, scale

    return max_norm(add(u, scale(-1.0, v)))


def _grow(drawing: Drawing, node: str, v: VValue) -> None:
    if not isinstance(v, dict):
        drawing.node(node, label=f"{v:g}", shape="box", style="rounded,filled", fillcolor="#eef2f7", height="0.25")
        return
    for number, (key, part) in enumerate(v.items()):
        child = f"{node}_{number}"
        if isinstance(part, dict):
            drawing.node(child, label="", shape="point")
        _grow(drawing, child, part)
        drawing.edge(node, child, label=f" {_key(key)} ".replace("\\", "\\\\"))


def _key(key: str) -> str:
    return key if key.strip() == key and key.isprintable() and key else repr(key)
