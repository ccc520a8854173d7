"""The stepper's view: one script, ``run_player.js``, in a notebook and in a page without a kernel.

A recorded run goes to the browser once, as data; from then on a step asks nobody. So the same run
can be stepped through where there is no kernel, in a page that is opened from a disk.
"""

import base64
from pathlib import Path

import anywidget
import traitlets

from .recording import Recording
from .run_data import packed_run
from .svg_curves import as_image

HERE = Path(__file__).parent
SCRIPT = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("marks.js", "run_player.js"))
STYLE = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("explorer.css", "run_player.css"))
MOST_LIVE = 4_000_000  # bytes from a kernel: Jupyter's own limit is above
RECORDED = "A recorded run: step through it here."


class RunPlayer(anywidget.AnyWidget):
    """A recorded run: its circuit, string, answers and neurons, with buttons to step and to play.

    ``cycle`` is the cycle that is shown, ``picked`` the link or neuron that is marked.
    """

    _esm = SCRIPT
    _css = STYLE
    packed = traitlets.Bytes(b"").tag(sync=True)
    cycle = traitlets.Int(0).tag(sync=True)
    picked = traitlets.Unicode("").tag(sync=True)

    def show(self, recording: Recording, cycle: int) -> None:
        """Shows another run, at this cycle."""
        with self.hold_sync():
            self.cycle = cycle
            self.packed = packed_run(recording, cycle, MOST_LIVE)


def run_page(recording: Recording, cycle: int, name: str, told: str = "") -> str:
    """A recorded run as HTML in which one steps without a kernel.

    Where scripts are not run there are pictures instead, of the circuit and the answers.

    Args:
        recording: the run.
        cycle: where to begin.
        name: the element's id, which no other in the page has.
        told: HTML that says what else can be done.

    Returns:
        A ``<div>`` that asks nothing of the network.
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
