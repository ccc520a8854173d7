"""The stepper's view: one script, ``run_player.js``, for notebooks and for pages without a kernel.

The browser gets a recorded run once, as data; stepping then needs no kernel. So the same run can be
stepped through in a page that is opened from a disk.

The data is JSON, compressed with gzip. A V-value is a number or a list of ``[key, V-value]`` pairs,
because JavaScript does not keep the order of keys that look like numbers. The flow on links is not
stored: it is their weight times a neuron's output one cycle before.
"""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..core.neuron_type import Port
from ..core.vvalues import VValue, max_norm
from ..drawing.line_styles import flow_line
from ..drawing.vvalue_text import show
from .recording import Recording
from .svg_curves import as_image

HERE = Path(__file__).parent
SCRIPT = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("marks.js", "run_player.js"))
STYLE = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("explorer.css", "run_player.css"))
MOST_LIVE = 4_000_000  # bytes from a kernel: below Jupyter's own limit
RECORDED = "A recorded run: step through it here."
LEAVES = 60  # of a V-value that are stored: more than are shown
MOST_BYTES = 200_000  # compressed, in a page


class RunPlayer(anywidget.AnyWidget):
    """A widget that shows a recorded run, with buttons to step and to play.

    It shows the circuit, the string, the answers and the neurons. ``cycle`` is the cycle that is
    shown, ``picked`` the link or neuron that is marked.
    """

    _esm = SCRIPT
    _css = STYLE
    packed = traitlets.Bytes(b"").tag(sync=True)
    cycle = traitlets.Int(0).tag(sync=True)
    picked = traitlets.Unicode("").tag(sync=True)

    def show(self, recording: Recording, cycle: int) -> None:
        """Shows another run, at the given cycle."""
        with self.hold_sync():
            self.cycle = cycle
            self.packed = packed_run(recording, cycle, MOST_LIVE)


def run_page(recording: Recording, cycle: int, name: str, told: str = "") -> str:
    """Returns a recorded run as HTML that can be stepped through without a kernel.

    Where scripts do not run, it shows pictures of the circuit and the answers instead.

    Args:
        recording: the run.
        cycle: the cycle to show first.
        name: the element's id, unique in the page.
        told: HTML that tells the reader what else is possible.

    Returns:
        A ``<div>`` that loads nothing from the network.
    """
    images = "".join(as_image(svg) for svg in (recording.circuit(cycle), recording.curves(cycle)))
    still = f'<div class="dmmlab-pictures"><p><em>{told}</em></p>{images}</div>'
    packed = base64.b64encode(packed_run(recording, cycle)).decode()
    if not packed:
        return f'<div id="{name}">{still}</div>'
    return (
        f'<div id="{name}" class="dmmlab-still dmmlab-explorer"><style>{STYLE}</style>'
        f'<p class="dmmlab-recorded"><em>{RECORDED} {told}</em></p>{still}'
        f'<div data-run="{packed}" data-cycle="{cycle}"></div>'
        f'<script type="module">{SCRIPT}\nplayHere("{name}");</script></div>'
    )


def run_data(recording: Recording, first: int = 0, cycles: int | None = None) -> dict[str, Any]:
    """Returns the cycles ``first``, ``first + 1``, ... of a run as JSON data.

    Args:
        recording: the run.
        first: the first cycle.
        cycles: the number of cycles; by default, all that follow.

    Returns:
        ``svg`` and ``curves`` (the pictures), ``first``, ``cycles`` (of this data), ``items``,
        ``values`` (all V-values that occur, each once, with its size), ``ports`` (indices into
        ``values`` by cycle, starting one cycle before the first), ``links``.
    """
    last = min(recording.cycles, recording.cycles if cycles is None else first + cycles)
    values: dict[str, list] = {}  # by their JSON: [index, V-value, size]

    def place(v: VValue) -> int:
        pairs = _pairs(v)
        return values.setdefault(json.dumps(pairs), [len(values), pairs, _rounded(float(max_norm(v)))])[0]

    ports: list[dict[str, Any]] = []
    places: dict[Port, int] = {}
    for name, kind in sorted(recording.machine.neurons.items()):
        for side, fields in (("in", kind.inputs), ("out", kind.outputs)):
            for field in fields:
                at = []
                for t in range(first - 1, last):
                    state = recording.states[t] if t >= 0 else None
                    told = {} if state is None else state.inputs if side == "in" else state.outputs
                    at.append(place(told.get(name, {}).get(field, {})))
                if side == "out":
                    places[name, field] = len(ports)
                ports.append({"neuron": name, "field": field, "side": side, "at": at})
    links = [
        {
            "name": str(link),
            "from": places[link.from_neuron, link.from_field],
            "weight": float(link.weight),
            "colours": [flow_line(link, size)[0] for size in (0.0, 1.0)] if link[:4] in recording.live else None,
        }
        for link in recording.machine.links()
    ]
    return {
        "svg": recording.plan,
        "curves": recording.curves(first),
        "first": first,
        "cycles": last - first,
        "whole": recording.cycles,
        "labelled": recording.labelled,
        "items": recording.items,
        "values": [[pairs, size] for _, pairs, size in values.values()],
        "ports": ports,
        "links": links,
    }


def packed_run(recording: Recording, around: int = 0, most: int = MOST_BYTES) -> bytes:
    """Returns :func:`run_data`, compressed, with all cycles of a run or as many as fit.

    Args:
        recording: the run.
        around: a cycle that must be among them.
        most: the maximum size in bytes.

    Returns:
        JSON, compressed with gzip. Empty if not even one cycle fits.
    """
    first, cycles = 0, recording.cycles
    while cycles:
        data = json.dumps(run_data(recording, first, cycles), separators=(",", ":")).encode()
        packed = gzip.compress(data, compresslevel=6, mtime=0)
        if len(packed) <= most:
            return packed
        cycles //= 2
        first = min(max(0, around - cycles // 2), recording.cycles - cycles)
    return b""


def _pairs(v: VValue, most: int = LEAVES) -> Any:
    """Converts a V-value for JavaScript; a large one keeps only its first leaves."""
    if not isinstance(v, dict) or not v:
        return _rounded(float(v) if not isinstance(v, dict) else 0.0)
    pairs: list = []
    for key, part in v.items():
        left = most - sum(map(_leaves, pairs))
        if left <= 0:
            break
        pairs.append([_key(key), _pairs(part, left)])
    return pairs


def _leaves(pair: list) -> int:
    return sum(map(_leaves, pair[1])) if isinstance(pair[1], list) else 1


def _key(key: str) -> str:
    """Formats a key as :func:`~dmmlab.drawing.vvalue_text.show` writes it."""
    return show({key: 0.0}).removeprefix("{").removesuffix(": 0}")


def _rounded(x: float) -> float:
    return float(f"{x:.9g}")
