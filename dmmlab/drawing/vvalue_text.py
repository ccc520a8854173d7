"""Formats V-values and runs: as text, as a tree, as a table.

A V-value is at once a nested dictionary, a prefix tree with numbers in its leaves, a finite sum of
paths with coefficients, and a sparse tensor of mixed rank. The code holds the dictionary; this
module shows the other forms.
"""

import hashlib
import html
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.engine import State
from ..core.vvalues import VValue, is_plain, is_traced, max_norm, paths, trim
from .graphviz_drawing import FONT, Drawing

if TYPE_CHECKING:
    import pandas as pd


def show(v: VValue, digits: int = 6) -> str:
    """Formats a V-value as a short line: ``{t: 2, word: {length: 4}}``.

    Args:
        v: a V-value.
        digits: significant digits of the numbers.

    Returns:
        The line.
    """
    if not isinstance(v, dict):
        return f"{v:.{digits}g}"
    inside = ", ".join(f"{_key(key)}: {show(part, digits)}" for key, part in v.items())
    return f"{{{inside}}}" if v else "0"


def as_lines(v: VValue, digits: int = 6, most: int = 200) -> str:
    """Formats a V-value as an indented tree of text, with a line for every key.

    The numbers of one level are aligned at the decimal point::

        letters
          a   3
          b  -0.5
        :number  0.5

    Args:
        v: a V-value.
        digits: significant digits of the numbers.
        most: the maximum number of lines; if some are left out, a last line says how many.

    Returns:
        The text.
    """
    lines = list(_lines(v, digits)) if isinstance(v, dict) and v else [_leaf(v, digits)]
    if len(lines) > most:
        lines = [*lines[:most], f"... {len(lines) - most:,} more"]
    return "\n".join(lines)


class Pretty:
    """The result of :func:`pretty`: in a notebook a tree that unfolds, elsewhere plain text."""

    def __init__(self, v: VValue):
        self._v = v

    def __repr__(self) -> str:
        return as_lines(self._v)

    def _repr_html_(self) -> str | None:
        """Returns the tree, without external resources; None if treescope is missing."""
        try:
            import treescope
        except ImportError:
            return None
        with treescope.using_expansion_strategy(max_height=30):
            page = treescope.render_to_html(_Branch("V-value", _plain(self._v)))
        # treescope names its output at random; here the same V-value always gives the same page.
        name = hashlib.sha256(re.sub("[0-9a-f]{32}", "", page).encode()).hexdigest()[:32]
        page = re.sub("(?<=treescope_out_)[0-9a-f]{32}", name, page)
        # Scripts and styles are removed from a notebook that is not trusted. Then the plain text is
        # visible.
        plain = f'<style>.dmmlab-plain {{ display: none }}</style><pre class="dmmlab-plain">{html.escape(repr(self))}</pre>'
        return f'<div style="overflow-x: auto">{plain}{page}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        page = self._repr_html_()
        return {"text/plain": repr(self)} | ({"text/html": page} if page else {})


def pretty(v: VValue) -> Pretty:
    """Returns a V-value for display: in a notebook a tree that unfolds, elsewhere :func:`as_lines`.

    treescope draws the tree, if it is installed; deep branches are folded at first.
    """
    return Pretty(v)


def as_sum(v: VValue) -> str:
    """Formats a V-value as a sum of paths: ``2·(t) + 4·(word length) + 0.5·()``."""
    terms = [f"{leaf:g}·({' '.join(_key(key) for key in path)})" for path, leaf in paths(trim(v))]
    return " + ".join(terms).replace("+ -", "− ") or "0"


def as_table(v: VValue) -> "pd.DataFrame":
    """Returns a V-value as a sparse tensor: a row per coordinate, a column per level of keys."""
    import pandas as pd

    coordinates = list(paths(trim(v)))
    depth = max((len(path) for path, _ in coordinates), default=0)
    rows = [[*path, *[""] * (depth - len(path)), leaf] for path, leaf in coordinates]
    return pd.DataFrame(rows, columns=[*(f"index {level}" for level in range(1, depth + 1)), "value"])


def as_tree(v: VValue) -> Drawing:
    """Draws a V-value as a prefix tree: keys on the branches, numbers in the leaves."""
    drawing = Drawing(
        graph_attr={"bgcolor": "white", "nodesep": "0.3", "ranksep": "0.35"},
        node_attr={"fontname": FONT, "fontsize": "11"},
        edge_attr={"fontname": FONT, "fontsize": "10", "arrowsize": "0.5", "color": "#555555"},
    )
    drawing.node("n", label="", shape="point")
    _grow(drawing, "n", trim(v))
    return drawing


def flow_table(states: Iterable[State], digits: int = 4) -> "pd.DataFrame":
    """Tabulates a run: a row for every input and output, a column for every cycle.

    Args:
        states: the states of a run, from :func:`dmmlab.core.engine.run`.
        digits: significant digits of the numbers.

    Returns:
        A table of texts; ports that never carry anything are left out.
    """
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
    """Returns the largest absolute difference of two V-values over all coordinates."""
    from ..core.vvalues import add, scale

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


class _Branch(NamedTuple):
    """A branch for treescope; folded, it is one line, which shows all of a short branch."""

    name: str
    v: VValue

    def __treescope_repr__(self, path: str | None, subtree: Callable[..., Any]) -> Any:
        from treescope import rendering_parts as parts

        if not isinstance(self.v, dict) or not self.v:
            leaf = 0 if isinstance(self.v, dict) else self.v
            return parts.siblings_with_annotations(parts.text(f"{self.name}: "), subtree(leaf))
        leaves = [leaf for _, leaf in paths(self.v)]
        short = show(self.v) if len(leaves) <= 4 and all(is_plain(leaf) for leaf in leaves) else ""
        little = 0 < len(short) <= 80
        count = f"{len(leaves):,} number{'s' * (len(leaves) != 1)}"
        inside = parts.comment_color(parts.text(f": {short if little else count}"))
        children = [subtree(_Branch(_key(key), part)) for key, part in self.v.items()]
        return parts.build_custom_foldable_tree_node(
            label=parts.text(self.name),
            contents=parts.fold_condition(collapsed=inside, expanded=parts.indented_children(children)),
            expand_state=parts.ExpandState.WEAKLY_COLLAPSED if little else parts.ExpandState.WEAKLY_EXPANDED,
        )


def _lines(v: dict[str, VValue], digits: int) -> Iterator[str]:
    leaves = {key: _leaf(part, digits) for key, part in v.items() if not isinstance(part, dict) or not part}
    width = max((len(_key(key)) for key in leaves), default=0)
    before = {key: _before_the_point(text) for key, text in leaves.items()}
    widest = max(before.values(), default=0)
    for key, part in v.items():
        if key in leaves:
            yield f"{_key(key):{width}}  {' ' * (widest - (before[key] or widest))}{leaves[key]}"
        else:
            yield _key(key)
            yield from (f"  {line}" for line in _lines(part, digits))


def _leaf(x: VValue, digits: int) -> str:
    """Formats a number; an array or a traced JAX value shows as its type, ``float32[3,4]``."""
    if isinstance(x, dict):
        return "0"
    x = _plain(x)
    if isinstance(x, int | float):
        return f"{x:.{digits}g}"
    return f"{x.dtype}[{','.join(map(str, x.shape))}]" if hasattr(x, "shape") else str(x)


def _before_the_point(text: str) -> int:
    """Counts the characters of a number before its decimal point; 0 if it is no number."""
    return len(match[0]) if (match := re.match(r"-?\d+", text)) else 0


def _plain(v: VValue) -> VValue:
    """Returns the same tree, with scalars of NumPy and JAX as Python numbers."""
    if isinstance(v, dict):
        return {key: _plain(part) for key, part in v.items()}
    if is_traced(v) or np.ndim(v):
        return v
    return v.item() if hasattr(v, "item") else v


def _key(key: str) -> str:
    return key if key.strip() == key and key.isprintable() and key else repr(key)
