"""Animated drawings of a changing machine, each as one SVG that plays without a script.

The layout contains every neuron and link that ever occurs, so nothing moves. Each is visible only
in the cycles in which it exists. The SVG also plays in a page without a kernel.
"""

import html
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from ..core.errors import LabError
from ..core.files import write_bytes
from ..core.machine import Machine
from ..core.named_neurons import neurons_of
from ..core.network_matrix import matrix_of
from ..core.neuron_type import NeuronType
from ..core.neurons import TYPES
from ..core.summaries import plural
from ..core.vvalues import VValue, paths
from .circuits import circuit

GROUP = re.compile(
    r'<g id="(?P<kind>node|edge)\d+" class="\w+">\n<title>(?P<title>[^<]*)</title>\n(?P<rest>.*?xlink:title="(?P<tip>[^"]*)")',
    re.S,
)
SIZE = re.compile(r'viewBox="(\S+) (\S+) (\S+) (\S+)"')


class Animation:
    """An animated picture of a machine, which a notebook plays.

    Args:
        svg: the picture.
        frames: the number of frames.
        still: a PNG of the first frame, for viewers that show no SVG.
    """

    def __init__(self, svg: str, frames: int, still: bytes):
        self.svg, self.frames, self.still = svg, frames, still

    def save(self, path: str | PathLike) -> None:
        """Writes the SVG atomically. Raises :class:`FileError` if it cannot."""
        write_bytes(path, self.svg.encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_png_(self) -> bytes:
        return self.still

    def __repr__(self) -> str:
        return f"<Animation, {plural(self.frames, 'frame')}>"


def animate(
    matrices: Sequence[VValue],
    neurons: Mapping[str, NeuronType],
    seconds: float = 1.0,
    **options: Any,
) -> Animation:
    """Draws how a machine's network matrix changes from cycle to cycle.

    Args:
        matrices: the network matrix of each cycle.
        neurons: neuron types, by neuron name. Other neurons must be called ``type`` or
            ``type-...``, as in :func:`~dmmlab.core.named_neurons.neurons_of`.
        seconds: how long each cycle is shown.
        options: of :func:`~dmmlab.drawing.circuits.circuit`. A link is drawn with its first weight.

    Returns:
        The animation, which loops.

    Raises:
        LabError: no matrices, or a time that is not positive.
        MachineError: an invalid matrix.
    """
    if not matrices or not seconds > 0:
        raise LabError(f"{len(matrices)} matrices, {seconds!r} s each: expected one or more, and a time above 0")
    links: dict[tuple[str, ...], Any] = {}
    for matrix in matrices:
        for path, weight in paths(matrix):
            links.setdefault(path, weight)
    everything = matrix_of((*path, w) for path, w in links.items())
    whole = Machine(neurons_of(everything, neurons, TYPES), everything)
    present = [{f"{p[0]}.{p[1]} <- {p[2]}.{p[3]}" for p, _ in paths(matrix)} for matrix in matrices]
    named = [{name for p, _ in paths(matrix) for name in p[:3:2]} for matrix in matrices]
    options = {"dead": "show", **options}
    svg = circuit(whole, **options).pipe("svg").decode()
    first = Machine(neurons_of(matrices[0], neurons, TYPES), matrices[0])
    still = circuit(first, cut=whole, **options).pipe("png")

    def with_times(match: re.Match) -> str:
        name = html.unescape(match["tip"])
        if match["kind"] == "edge":
            shown = [name.rpartition(":")[0] in links_there for links_there in present]
        else:
            shown = [html.unescape(match["title"]) in (*names, *links) for names, links in zip(named, present, strict=True)]
        return match[0].replace("\n<title>", f"\n{_discrete(shown, seconds)}<title>", 1) if not all(shown) else match[0]

    svg = GROUP.sub(with_times, svg)
    x, y, width, height = map(float, SIZE.search(svg).groups())  # type: ignore[union-attr]
    svg = SIZE.sub(f'viewBox="{x:g} {y:g} {width:g} {height + 18:g}"', svg, count=1)
    svg = re.sub(r'(<svg width="[^"]*" height=")([\d.]+)pt', lambda m: f"{m[1]}{float(m[2]) + 18:g}pt", svg, count=1)
    place = f'x="{x + width / 2:g}" y="{y + height + 12:g}" text-anchor="middle" font-size="10"'
    captions = [
        f'<text {place} font-family="DejaVu Sans, Verdana, sans-serif" visibility="{"hidden" if t else "visible"}">'
        f"{_discrete([t == each for each in range(len(matrices))], seconds)}cycle {t}</text>\n"
        for t in range(len(matrices))
    ]
    ground = f'<rect x="{x:g}" y="{y + height:g}" width="{width:g}" height="18" fill="white"/>\n'
    return Animation(svg.replace("</svg>", ground + "".join(captions) + "</svg>"), len(matrices), still)


def _discrete(shown: Sequence[bool], seconds: float) -> str:
    values = ";".join("visible" if each else "hidden" for each in shown)
    return (
        f'<animate attributeName="visibility" calcMode="discrete" dur="{seconds * len(shown):g}s" '
        f'repeatCount="indefinite" values="{values}"/>'
    )
