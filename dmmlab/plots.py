"""Curves for the journal, with matplotlib."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from .files import write_bytes
from .vvalues import VValue, number

COLOURS = ("#1b6ca8", "#d1720c", "#3a923a", "#8b5fbf")  # told apart in grey and by the colour blind


def journal_style() -> None:
    """Call it in a notebook's first cell: figures as SVG, with PNG beside it, the same bytes in every run."""
    plt.rcParams.update(
        {
            "figure.figsize": (8, 3),
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "svg.hashsalt": "dmmlab",
            "svg.fonttype": "none",
            "font.sans-serif": ["DejaVu Sans", "Verdana"],
        }
    )
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("svg", "png", metadata={"Date": None})


def plot_answers(runs: Mapping[str, Sequence[VValue]], stream: Any, fields: Sequence[str] = ("dict-1", "dict-2")) -> Figure:
    """What arrives at the output over time: a panel for each input of the output neuron, a line for each machine.

    Args:
        runs: by machine, what :func:`dmmlab.engine.answers` returned.
        stream: what the machines read; its items are written along the axis.
        fields: the inputs of the output neuron.
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
    plt.close(figure)  # a notebook shows what a cell returns; an open figure it would show once more
    return figure


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a figure in the format that the file's ending names, whole or not at all, the same bytes each time."""
    buffer = io.BytesIO()
    date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    kind = Path(path).suffix.removeprefix(".")
    figure.savefig(buffer, format=kind, metadata=date.get(kind))
    write_bytes(path, buffer.getvalue())
