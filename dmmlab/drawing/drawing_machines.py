"""The main drawing function: the caller or the number of links chooses circuit or bundle."""

from collections.abc import Iterable
from typing import Any

from ..core.errors import one_of
from ..core.machine import Machine
from .bundles import bundle
from .circuits import circuit
from .graphviz_drawing import Drawing, DrawingError
from .machine_pairs import side_by_side

MOST_LINKS = 200  # of a circuit; a machine with more is drawn as a bundle
KINDS = ("circuit", "bundle")


def draw(
    machine: Machine, kind: str | None = None, *, beside: Machine | None = None, hide: Iterable[str] = (), **options: Any
) -> Drawing:
    """Draws a machine: as a circuit with its weights, or as a bundle if it has more than 200 links.

    Args:
        machine: the machine to draw.
        kind: ``"circuit"`` or ``"bundle"``; by default, the number of links decides.
        beside: another machine, drawn on the right, with the differences marked.
        hide: names of neurons to leave out, such as ``["timer"]``.
        options: for :func:`~dmmlab.drawing.circuits.circuit`,
            :func:`~dmmlab.drawing.bundles.bundle` or
            :func:`~dmmlab.drawing.machine_pairs.side_by_side`.

    Returns:
        A drawing that a notebook shows, and that ``save_as`` writes as SVG, PDF, PNG, EPS, DOT or
        TikZ.

    Raises:
        DrawingError: an unknown kind, or an unknown neuron in ``hide``.
    """
    if kind not in (None, *KINDS):
        raise DrawingError(one_of("kind", str(kind), KINDS))
    if beside is not None:
        return side_by_side(machine, beside, hide=hide, **options)
    if (kind or ("circuit" if machine.count() <= MOST_LINKS else "bundle")) == "bundle":
        return bundle(machine, hide=hide, **options)
    return circuit(machine, hide=hide, **options)
