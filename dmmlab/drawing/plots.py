"""Matplotlib plots for the journal: answers over time, and network matrices."""

import copy
import io
import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, SymLogNorm
from matplotlib.figure import Figure

from ..core.errors import LabError
from ..core.files import write_bytes
from ..core.machine import Machine
from ..core.vvalues import VValue, number
from .circuits import graph
from .graphviz_drawing import check_text
from .line_styles import HARD, NEGATIVE, POSITIVE, largest_weight

FIGURE_FORMATS = ("svg", "pdf", "png", "eps")
MOST_LETTERS = 80  # of a name beside a matrix
COLOURS = ("#1b6ca8", "#d1720c", "#3a923a", "#8b5fbf")  # distinguishable in greyscale and for the colour-blind


STYLE: dict[Any, Any] = {
    "figure.figsize": (8, 3),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "svg.hashsalt": "dmmlab",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: scientific journals refuse Type 3
    "ps.fonttype": 42,
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
}


def journal_style() -> None:
    """Makes figures SVG with a PNG beside it, with the same bytes in every run.

    Call it in a notebook's first cell.
    """
    plt.rcParams.update(STYLE)
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("svg", "png", metadata={"Date": None})


def plot_answers(runs: Mapping[str, Sequence[VValue]], stream: Any, fields: Sequence[str] = ("dict-1", "dict-2")) -> Figure:
    """Plots the values that arrive at the output over time.

    There is a panel for each input of the output neuron, with a line for each machine.

    Args:
        runs: by machine, the result of :func:`dmmlab.core.engine.answers`.
        stream: the stream that the machines read; its items label the axis, which counts cycles.
        fields: the inputs of the output neuron.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(len(fields), sharex=True, figsize=(8, 1.8 * len(fields)), squeeze=False)
    cycles = max(map(len, runs.values()))
    for axis, field in zip(axes[:, 0], fields, strict=True):
        for i, (name, answers) in enumerate(runs.items()):
            curve = [number(answer.get(field, 0.0)) for answer in answers]
            axis.step(range(len(curve)), curve, where="post", label=name, linestyle=("-", "--", ":", "-.")[i % 4])
        axis.set_ylabel(f"output.{field}")
    items = [(t, "".join(stream(t))) for t in range(cycles) if isinstance(stream(t), dict) and stream(t)]
    axes[-1, 0].set_xticks([t for t, _ in items], [item.replace(" ", "␣") for _, item in items])
    axes[-1, 0].set_xlabel("what the machine reads, in the cycle in which it comes")
    if len(runs) > 1:
        axes[0, 0].legend(frameon=False)
    plt.close(figure)  # otherwise a notebook shows the figure twice
    return figure


def plot_matrix(machine: Machine, title: str | None = None) -> Figure:
    """Plots the network matrix: a row for each input, a column for each output.

    Positive weights are blue, negative ones ochre; hard links are red. Rows and columns without
    links are left out. Colours are logarithmic in ``|weight|``, over three decades.

    Args:
        machine: the machine to plot.
        title: a caption.

    Returns:
        The figure.

    Raises:
        LabError: a machine without links, or a title with characters that cannot be drawn.
    """
    links = list(machine.links())
    if not links:
        raise LabError("a machine without links: there is no matrix to plot")
    g = graph(machine)
    if title is not None:
        check_text(title)
    order = {name: (layer, name) for name, layer in g.nodes(data="layer")}
    rows = sorted({(order[link.to_neuron], link.to_field) for link in links}, reverse=True)
    columns = sorted({(order[link.from_neuron], link.from_field) for link in links})
    image = np.full((len(rows), len(columns)), np.nan)
    row_of, column_of = ({port: i for i, port in enumerate(ports)} for ports in (rows, columns))
    hard = []
    for link in links:
        place = row_of[order[link.to_neuron], link.to_field], column_of[order[link.from_neuron], link.from_field]
        if link.hard:
            hard.append(place)
        else:
            image[place] = float(link.weight)
    largest = largest_weight(machine)
    unit = 1.0
    if not 1e-30 < largest < 1e30:  # the colour scale is computed in double precision and needs headroom
        unit = max(10.0 ** math.floor(math.log10(largest)), math.ulp(0.0))
        image, largest = image / unit, largest / unit
    shades = LinearSegmentedColormap.from_list("sign", [NEGATIVE, "#f4dfc0", "#f6f6f6", "#c3d3e8", POSITIVE])
    figure, axis = plt.subplots(figsize=(8, 1.2 + 5.6 * min(1.6, max(0.4, len(rows) / len(columns)))))
    norm = SymLogNorm(linthresh=largest / 1000, vmin=-largest, vmax=largest)
    shown = axis.imshow(image, cmap=shades, norm=norm, aspect="auto", interpolation="nearest")
    for ports, set_ticks, line in ((rows, axis.set_yticks, axis.axhline), (columns, axis.set_xticks, axis.axvline)):
        names = [place[1] for place, _ in ports]
        firsts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
        ends = [*firsts[1:], len(names)]
        turned: dict[str, Any] = {"rotation": 90} if set_ticks == axis.set_xticks else {}
        set_ticks(
            [(a + b - 1) / 2 for a, b in zip(firsts, ends, strict=True)],
            [_cut(names[a]) for a in firsts],
            fontsize=7,
            parse_math=False,
            **turned,
        )
        for a in firsts[1:]:
            line(a - 0.5, color="#dddddd", linewidth=0.5)
    axis.scatter([c for _, c in hard], [r for r, _ in hard], marker="s", s=9, color=HARD)
    axis.grid(False)
    axis.tick_params(length=0)
    axis.set(xlabel="from", ylabel="to")
    axis.set_title(title or "", parse_math=False)
    figure.colorbar(shown, ax=axis, shrink=0.6, label="weight" if unit == 1.0 else f"weight / {unit:.0e}")
    plt.close(figure)
    return figure


def _cut(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def save_matrix(
    machine: Machine, path: str | os.PathLike, title: str | None = None, dpi: int = 300, width: float | None = None
) -> None:
    """Writes the :func:`plot_matrix` figure of a machine, in the format of the file's ending.

    Args:
        machine: the machine to plot.
        path: the file, ``.svg``, ``.pdf``, ``.png`` or ``.eps``.
        title: a caption.
        dpi: dots per inch of a PNG.
        width: in cm; see :func:`save_figure`.

    Raises:
        LabError: another ending, an invalid width, or a machine without links.
    """
    figure_format(path)
    with plt.rc_context(STYLE):
        save_figure(plot_matrix(machine, title), path, dpi, width)


def figure_format(path: str | os.PathLike) -> str:
    """Returns the figure format that a file's ending names. Raises :class:`LabError` for others."""
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in FIGURE_FORMATS:
        raise LabError(f"{path}: a matrix or a plot is drawn as one of {', '.join('.' + f for f in FIGURE_FORMATS)}")
    return kind


def save_figure(figure: Figure, path: str | os.PathLike, dpi: int = 300, width: float | None = None) -> None:
    """Writes a figure atomically, with the same bytes each time.

    Args:
        figure: the figure to write.
        path: the file; its ending names the format.
        dpi: dots per inch of a PNG.
        width: in cm; the height scales too, letters keep their size. By default, the figure's own.

    Raises:
        FileError: the file cannot be written.
        LabError: an ending other than SVG, PDF, PNG or EPS, or an invalid width.
    """
    kind, buffer = figure_format(path), io.BytesIO()
    if width is not None:
        if not 4 <= width <= 500:
            raise LabError(f"width: expected from 4 to 500 cm, got {width:g}")
        figure = copy.deepcopy(figure)  # the caller's figure stays unchanged
        figure.set_size_inches(figure.get_size_inches() * (width / 2.54 / figure.get_size_inches()[0]))
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")  # a box is drawn instead, as everywhere
        figure.savefig(buffer, format=kind, metadata=date.get(kind), dpi=dpi)
    write_bytes(path, re.sub(rb"%%CreationDate:.*\n", b"", buffer.getvalue()) if kind == "eps" else buffer.getvalue())
