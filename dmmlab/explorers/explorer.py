"""What the explorers share: a picture that can be clicked, knobs, measures, and a message.

No exception leaves an explorer: what cannot be done is said in the line at its foot. Where a
notebook is only read, a still picture stands in an explorer's place.
"""

import gzip
import html
import os
import uuid
from collections.abc import Callable
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

LIVE = "A still picture of an explorer. To move its knobs, run this notebook in JupyterLab: <code>python3 lab.py open</code>"
LEGEND = (
    '<small style="line-height: 1.4">Blue: positive weights. Ochre, with a ring: negative. Red: hard links, which belong to '
    "the architecture. Grey: what cannot influence the output. Dotted: cut.</small>"
)
WIDE, NARROW = Layout(width="420px"), Layout(width="auto", min_width="60px")


class Picture(anywidget.AnyWidget):
    """An SVG in which links can be clicked."""

    _esm = Path(__file__).parent / "picture.js"
    _css = """
    .dmmlab-picture { max-height: 660px; overflow: auto; background: white; border-radius: 4px; }
    .dmmlab-picture > svg { max-width: 100%; max-height: 640px; width: auto; height: auto; display: block; margin: auto; }
    .dmmlab-picture g.edge { cursor: pointer; }
    """
    svg = traitlets.Unicode("")
    # Packed on its way: half a megabyte of SVG is a tenth of that, and Jupyter limits what a kernel
    # may send in a second.
    packed = traitlets.Bytes(b"").tag(sync=True)

    @traitlets.observe("svg")
    def _pack(self, change: Any) -> None:
        self.packed = gzip.compress(change.new.encode(), compresslevel=6, mtime=0)

    def on_pick(self, act: Callable[[str], None]) -> None:
        """Calls ``act`` with the name of a link when it is clicked."""
        self.on_msg(lambda _, content, __: act(content["picked"]) if isinstance(content.get("picked"), str) else None)


class Explorer(ipywidgets.VBox):
    """What all explorers have: a picture, curves, measures, and a line for messages."""

    def __init__(self, figures: str | os.PathLike, name: str):
        super().__init__()
        self.figures = Path(figures)
        self.still_id = f"dmmlab-{uuid.uuid4().hex}"
        self.picture = Picture(layout=Layout(flex="1 1 420px", min_width="300px"))
        self.curves, self.measures, self.message = (ipywidgets.HTML() for _ in range(3))
        self.message.add_class("dmmlab-message")
        self.file = ipywidgets.Text(value=name, layout=Layout(width="180px"), tooltip="svg, pdf, png, eps, gv, tex or json")
        self.export_button = self.button("export", self._export)
        self._quiet = False

    def arrange(self, *knobs: ipywidgets.Widget, width: str = "450px") -> None:
        """The picture on the left, knobs above the curves on the right, the message below."""
        export = ipywidgets.HBox([self.file, self.export_button])
        sidebar = ipywidgets.VBox([*knobs, self.measures, self.curves, export], layout=Layout(width=width, flex="0 0 auto"))
        row = ipywidgets.HBox([self.picture, sidebar], layout=Layout(flex_flow="row wrap", align_items="flex-start"))
        hidden = ipywidgets.HTML(f"{LEGEND}<style>#{self.still_id} {{ display: none }}</style>")
        self.children = [row, self.message, hidden]
        self.repaint()

    def button(self, label: str, act: Callable[[], object], tooltip: str = "") -> ipywidgets.Button:
        """A button that does ``act``."""
        made = ipywidgets.Button(description=label, layout=NARROW, tooltip=tooltip)
        made.on_click(self.guarded(act))
        return made

    def on_change(self, knob: ipywidgets.Widget, act: Callable[[], object]) -> None:
        """Does ``act`` when a person moves the knob."""
        guarded = self.guarded(act)
        knob.observe(lambda _: None if self._quiet else guarded(), "value")

    def move(self, knob: ipywidgets.Widget, value: Any) -> None:
        """Moves a knob without doing what it does."""
        self._quiet = True
        try:
            knob.value = value
        finally:
            self._quiet = False

    def guarded(self, act: Callable[[], object]) -> Callable[..., None]:
        """The same, but an exception becomes a message, and so does a text that is returned."""

        def guarded(*_: object) -> None:
            try:
                said = act()
                if isinstance(said, str):
                    self.say(said)
            except LabError as error:
                self.say(str(error))
            except Exception as error:  # an explorer is for playing: nothing it is given may end in a traceback
                self.say(f"{type(error).__name__}: {error}")

        return guarded

    def say(self, text: str) -> None:
        """Shows a message."""
        self.message.value = f'<span role="status">{html.escape(text)}</span>'

    def repaint(self) -> object:
        """Shows how things stand; a text that is returned is a message."""
        raise NotImplementedError

    def drawing(self) -> Drawing:
        """What is exported."""
        raise NotImplementedError

    def still(self) -> list[str]:
        """The pictures that stand here where there is no kernel, as SVG."""
        return [self.picture.svg, self.curves.value]

    def _export(self) -> str:
        name = self.file.value.strip()
        if not name or Path(name).name != name or name.startswith("."):
            raise LabError(f"{name!r}: give a file's name alone; it is written into {self.figures}")
        self.figures.mkdir(parents=True, exist_ok=True)
        return f"written: {self.save(self.figures / name)}"

    def save(self, path: Path) -> Path:
        """Writes what is exported into a file, and returns its path."""
        return self.drawing().save_as(path)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.children)} parts; show it in JupyterLab>"  # of a widget, all of its parts

    def _repr_mimebundle_(self, **kwargs: Any) -> dict:
        images = "".join(as_image(svg) for svg in self.still() if svg)
        page = f'<div id="{self.still_id}"><p><em>{LIVE}</em></p>{images}{self.measures.value}</div>'
        return {**(super()._repr_mimebundle_(**kwargs) or {}), "text/html": page}

    def _ipython_display_(self, **kwargs: Any) -> None:
        # Two outputs: the explorer, and its still picture, which the explorer hides as long as it
        # is alive. So the picture is there when a saved notebook is opened without its kernel.
        bundle = self._repr_mimebundle_(**kwargs)
        page = bundle.pop("text/html")
        display(bundle, raw=True)
        display({"text/html": page, "text/plain": "a still picture of an explorer"}, raw=True)


def table(rows: dict[str, str]) -> str:
    """Names and measures as HTML; ``data-name`` tells them apart."""
    cells = "".join(f'<tr><td>{name}</td><td><b data-name="{name}">{value}</b></td></tr>' for name, value in rows.items())
    return f"<table>{cells}</table>"
