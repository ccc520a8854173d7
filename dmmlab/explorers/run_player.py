"""The stepper's view: one script, ``run_player.js``, for notebooks and for pages without a kernel.

The browser gets a recorded run once, as data; stepping then needs no kernel. So the same run can be
stepped through in a page that is opened from a disk.
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
MOST_LIVE = 4_000_000  # bytes from a kernel: below Jupyter's own limit
RECORDED = "A recorded run: step through it here."


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
