"""A drawing of dmmlab itself, made from its source: its packages and their imports.

A package stands above all packages that it imports. An arrow that others imply is left out:
``pruning`` imports ``learning``, which imports ``compiler``, so there is no arrow from ``pruning``
to ``compiler``.
"""

import ast
import html
import textwrap
from pathlib import Path

import networkx as nx

from .circuits import empty_drawing
from .graphviz_drawing import Drawing
from .line_styles import INK

SOURCE = Path(__file__).resolve().parents[1]
WIDTH = 26  # characters per line in a box


def package_floors() -> Drawing:
    """Draws the packages of dmmlab in rows, ``core`` at the bottom; an arrow means "imports".

    Returns:
        The drawing. Below each name is the first line of the package's docstring.
    """
    importing = package_imports()
    drawing = empty_drawing()
    drawing.attr(rankdir="TB", ranksep="0.45")
    for names in nx.topological_generations(importing.reverse()):
        with drawing.subgraph() as floor:
            floor.attr(rank="same")
            for name in sorted(names):
                holds = importing.nodes[name]["holds"]
                floor.node(name, label=_box(name, holds), tooltip=holds)
    drawing.edges(sorted(nx.transitive_reduction(importing).edges))
    return drawing


def package_imports() -> nx.DiGraph:
    """Returns the packages as a graph, with an edge from each to those that it imports.

    A node's ``holds`` is the first line of the package's docstring.
    """
    importing = nx.DiGraph()
    for door in sorted(SOURCE.glob("*/__init__.py")):
        docstring = ast.get_docstring(ast.parse(door.read_text(encoding="utf-8"))) or ""
        importing.add_node(door.parent.name, holds=docstring.partition("\n")[0])
    for name in importing:
        for module in sorted((SOURCE / name).glob("*.py")):
            imported = _imported(ast.parse(module.read_text(encoding="utf-8")))
            importing.add_edges_from((name, other) for other in sorted(imported & set(importing)))
    return importing


def _imported(module: ast.Module) -> set[str]:
    """Returns the packages that a module imports: the names after ``from ..``, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            names |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return names


def _box(name: str, holds: str) -> str:
    """Returns the HTML-like label of a package."""
    lines = "<br/>".join(html.escape(line) for line in textwrap.wrap(holds, WIDTH))
    return (
        '<<table border="1" cellborder="0" cellspacing="0" cellpadding="3" style="rounded" color="#333333" bgcolor="#ffffff">'
        f'<tr><td><b><font color="{INK}">{html.escape(name)}</font></b></td></tr>'
        f'<tr><td><font point-size="8" color="#555555">{lines}</font></td></tr></table>>'
    )
