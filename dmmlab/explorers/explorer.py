"""The base class of all explorers: a clickable picture, knobs, measures and a message line.

No exception leaves an explorer: the message line shows errors. In a notebook without a kernel, a
still picture replaces an explorer.

JupyterLab handles messages from the browser in two threads, and a browser may send a knob's last
move after the click that followed it. So actions run one at a time, and a knob moved by a click
keeps its value until the browser confirms that it has seen the click's effect.
"""

import gzip
import html
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from IPython.display import display
from ipywidgets import Layout

from ..core.errors import LabError
from ..drawing.graphviz_drawing import Drawing
from .svg_curves import as_image

RUN_IT = "run this notebook: <b>Run › Run All Cells</b> in JupyterLab, which <code>python3 lab.py open</code> opens."
LIVE = f"A still picture of an explorer. To move its knobs, {RUN_IT}"
LEGEND = (
    "Blue: positive weights. Ochre, with a ring: negative. Red: hard links, which belong to the architecture. "
    "Grey: what cannot influence the output. Dotted: cut. Yellow: picked; green: pinned."
)
WIDE, NARROW = Layout(width="auto"), Layout(width="auto", min_width="54px")


class Picture(anywidget.AnyWidget):
    """An SVG with clickable links; ``picked`` and ``pinned`` are the names of marked links."""

    _esm = "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("marks.js", "picture.js"))
    _css = Path(__file__).parent / "explorer.css"  # for the whole explorer
    svg = traitlets.Unicode("")
    # Compressed for the transfer: half a megabyte of SVG shrinks to a tenth, and Jupyter limits how
    # much a kernel may send per second.
    packed = traitlets.Bytes(b"").tag(sync=True)
    picked = traitlets.Unicode("").tag(sync=True)
    pinned = traitlets.List(traitlets.Unicode()).tag(sync=True)

    @traitlets.observe("svg")
    def _pack(self, change: Any) -> None:
        self.packed = gzip.compress(change.new.encode(), compresslevel=6, mtime=0)

    def on_pick(self, act: Callable[[str], None]) -> None:
        """Calls ``act`` with the name of a link when that link is clicked."""
        self.on_msg(lambda _, content, __: act(content["picked"]) if isinstance(content.get("picked"), str) else None)


class Button(ipywidgets.Button):
    """A button that knows whether a browser or ``click()`` triggered it."""

    in_browser = False

    def _handle_button_msg(self, *said: Any) -> None:
        self.in_browser = True
        try:
            super()._handle_button_msg(*said)
        finally:
            self.in_browser = False


class Explorer(ipywidgets.VBox):
    """The base class of all explorers: a picture, curves, measures, and a line for messages."""

    DEAD = "The kernel of this explorer has ended, so its knobs move nothing. Run the notebook again: Run › Run All Cells."

    def __init__(self, figures: str | os.PathLike, name: str):
        super().__init__()
        self.figures = Path(figures)
        self.still_id = f"dmmlab-{uuid.uuid4().hex}"
        self._in_turn = threading.RLock()
        self._quiet = False
        self._moved: dict[ipywidgets.Widget, Any] = {}  # the knobs that the last click moved, and their values
        self._held = False  # whether they keep these until the browser answers
        self._clicks = 0
        self.picture = Picture()
        self.picture.on_msg(lambda _, said, __: self._answered(said.get("seen")))
        self.curves, self.measures, self.message = (ipywidgets.HTML() for _ in range(3))
        self.message.add_class("dmmlab-message")
        self.file = ipywidgets.Text(value=name, layout=Layout(width="170px"), tooltip="svg, pdf, png, eps, gv, tex or json")
        self.export_button = self.button("export", self._export)
        self._shown_still: Any = None  # a handle to the still picture in a notebook

    def arrange(self, *knobs: ipywidgets.Widget, details: Sequence[ipywidgets.Widget] = ()) -> None:
        """Puts the circuit on the left, and knobs, measures, the message and curves on the right.

        The knobs do not scroll. The curves, and ``details`` below them, scroll if they are too
        long. Widths and heights are set in ``explorer.css``.
        """
        export = ipywidgets.HBox([self.file, self.export_button])
        seen = _box("dmmlab-seen", self.picture, _box("dmmlab-legend", ipywidgets.HTML(LEGEND)))
        more = _box("dmmlab-more", self.curves, *details, export)
        side = _box("dmmlab-side", _box("dmmlab-knobs", *knobs), self.measures, self.message, more)
        self.frame(_box("dmmlab-body", seen, side))

    def frame(self, *inside: ipywidgets.Widget) -> None:
        """Stacks the widgets ``inside``; the style that hides the still picture comes last."""
        dead = ipywidgets.HTML(self.DEAD).add_class("dmmlab-dead")
        hidden = ipywidgets.HTML(f"<style>#{self.still_id} {{ display: none }}</style>")
        self.add_class("dmmlab-explorer")
        self.children = [dead, *inside, hidden]
        self.repaint()

    def button(self, label: str, act: Callable[[], object], tooltip: str = "") -> Button:
        """Returns a button that calls ``act``."""
        made, guarded = Button(description=label, layout=NARROW, tooltip=tooltip), self.guarded(act)

        def clicked(_: object) -> None:
            with self._in_turn:
                self._moved, self._held = {}, False
                guarded()
                if made.in_browser and self._moved:
                    self._held, self._clicks = True, self._clicks + 1
                    self.picture.send({"seen": self._clicks})

        made.on_click(clicked)
        return made

    def on_change(self, knob: ipywidgets.Widget, act: Callable[[], object]) -> None:
        """Calls ``act`` when a person moves the knob."""
        guarded = self.guarded(act)

        def turned(_: object) -> None:
            with self._in_turn:
                if self._quiet:
                    return
                if self._held and knob in self._moved:
                    self.move(knob, self._moved[knob])
                else:
                    guarded()

        knob.observe(turned, "value")

    def move(self, knob: ipywidgets.Widget, value: Any, options: Sequence[Any] | None = None) -> None:
        """Moves a knob without calling its action; a choice may get other options."""
        with self._in_turn:
            before, self._quiet = knob.value, True
            try:
                if options is not None and tuple(options) != tuple(knob.options):
                    knob.options = options
                knob.value = value
            finally:
                self._quiet = False
            if knob.value != before:
                self._moved[knob] = knob.value

    def _answered(self, click: object) -> None:
        """Notes that the browser has seen this click: later messages about knobs are new moves."""
        if click == self._clicks:
            self._held = False

    def guarded(self, act: Callable[[], object]) -> Callable[..., None]:
        """Wraps ``act`` to run in its turn; an exception or a returned text becomes a message."""

        def guarded(*_: object) -> None:
            with self._in_turn:
                try:
                    said = act()
                    if isinstance(said, str):
                        self.say(said)
                except LabError as error:
                    self.say(str(error))
                except Exception as error:  # an explorer is for playing: no input may end in a traceback
                    self.say(f"{type(error).__name__}: {error}")

        return guarded

    def say(self, text: str) -> None:
        """Shows a message."""
        self.message.value = f'<span role="status">{html.escape(text)}</span>'

    def repaint(self) -> object:
        """Shows the current state; a returned text is a message."""
        raise NotImplementedError

    def drawing(self) -> Drawing:
        """Returns the drawing to export."""
        raise NotImplementedError

    def still(self) -> list[str]:
        """Returns the pictures to show without a kernel, as SVG."""
        return [self.picture.svg, self.curves.value]

    def _export(self) -> str:
        name = self.file.value.strip()
        if not name or Path(name).name != name or name.startswith("."):
            raise LabError(f"{name!r}: give a file's name alone; it is written into {self.figures}")
        self.figures.mkdir(parents=True, exist_ok=True)
        return f"written: {self.save(self.figures / name)}"

    def save(self, path: Path) -> Path:
        """Writes the export to a file, and returns its path."""
        return self.drawing().save_as(path)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.children)} parts; show it in JupyterLab>"  # the default lists all parts

    def _page(self) -> str:
        """Returns the HTML to show without a kernel."""
        images = "".join(as_image(svg) for svg in self.still() if svg)
        return f'<div id="{self.still_id}"><p><em>{LIVE}</em></p>{images}{self.measures.value}</div>'

    def _repr_mimebundle_(self, **kwargs: Any) -> dict:
        return {**(super()._repr_mimebundle_(**kwargs) or {}), "text/html": self._page()}

    def _ipython_display_(self, **kwargs: Any) -> None:
        # Two outputs: the explorer, and its still picture, which a live explorer hides. So a saved
        # notebook that is opened without its kernel shows the picture.
        bundle = self._repr_mimebundle_(**kwargs)
        page = bundle.pop("text/html")
        display(bundle, raw=True)
        self._shown_still = display(self._as_output(page), raw=True, display_id=True)

    def renew_still(self) -> None:
        """Updates the still picture in the notebook to the current state."""
        if self._shown_still is not None:
            self._shown_still.update(self._as_output(self._page()), raw=True)

    def _as_output(self, page: str) -> dict[str, str]:
        """Returns the still picture; it hides JupyterLab's plain text for a dead widget."""
        dead = f".jp-OutputArea:has(#{self.still_id}) .jp-OutputArea-output.jupyter-widgets:not(:has(*))"
        page = f"<style>{dead} {{ display: none }}</style>{page}"
        return {"text/html": page, "text/plain": "a still picture of an explorer"}


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.VBox:
    """Stacks widgets in a box that ``explorer.css`` styles."""
    return ipywidgets.VBox(children).add_class(name)


def table(rows: dict[str, str]) -> str:
    """Returns names and measures as an HTML table; ``data-name`` identifies each measure."""
    cells = "".join(f'<tr><td>{name}</td><td><b data-name="{name}">{value}</b></td></tr>' for name, value in rows.items())
    return f"<table>{cells}</table>"
