"""Explorers of a machine that runs on a string: one steps through cycles, one turns weights.

:class:`dmmlab.explorers.recording.Recording` does the work; it needs no browser.
"""

import html
import math
import os
from pathlib import Path
from typing import Any

import ipywidgets
from ipywidgets import Layout

from ..core.errors import LabError
from ..core.files import write_text
from ..core.machine import Machine
from ..drawing.circuits import circuit, idle_neurons
from ..drawing.graphviz_drawing import Drawing
from ..synthesis.problems import Problem
from .explorer import WIDE, Explorer, table
from .recording import Recording
from .svg_curves import inline

MOST_SLIDERS = 40


class Stepping(Explorer):
    """What the stepper and the editor share: a string that the reader types."""

    def __init__(
        self,
        machine: Machine,
        text: str,
        period: int,
        problem: Problem | None,
        figures: Any,
        name: str,
        repeat_last: bool = True,
    ):
        super().__init__(figures, name)
        self.machine, self.problem, self.repeat_last = machine, problem, repeat_last
        self.text = ipywidgets.Text(value=text, description="string", layout=WIDE)
        self.period = ipywidgets.BoundedIntText(
            value=period, min=1, max=100, description="period", layout=Layout(width="160px")
        )
        self.period.tooltip = "cycles from one character to the next"
        self.recording = self._recorded()
        for knob in (self.text, self.period):
            self.on_change(knob, self._record)

    def _recorded(self) -> Recording:
        return Recording(self.machine, self.text.value, self.period.value, self.problem, repeat_last=self.repeat_last)

    def _record(self) -> object:
        self.recording = self._recorded()
        return self.repaint()


class StreamStepper(Stepping):
    """Steps through the cycles of a machine that reads a string, and shows what flows where.

    Args:
        machine: what runs.
        text: what it reads.
        period: cycles from one character to the next.
        problem: has the targets, if they are to be shown.
        figures: the folder for what is exported, made when it is needed.
        cycle: where to begin.
        repeat_last: whether the last character comes again and again.
    """

    def __init__(
        self,
        machine: Machine,
        text: str = "test string.",
        period: int = 10,
        problem: Problem | None = None,
        figures: str | os.PathLike = "figures",
        cycle: int = 0,
        repeat_last: bool = True,
    ):
        super().__init__(machine, text, period, problem, figures, "stepped.svg", repeat_last)
        last = self.recording.cycles - 1
        self.cycle = ipywidgets.IntSlider(value=min(cycle, last), max=last, description="cycle", layout=WIDE)
        self.play = ipywidgets.Play(value=self.cycle.value, max=last, interval=300, show_repeat=False)
        ipywidgets.jslink((self.play, "value"), (self.cycle, "value"))
        self.shown, self.flowing = ipywidgets.HTML(), ipywidgets.HTML()
        self.on_change(self.cycle, self._stepped)
        self.buttons = {
            "back": self.button("◀", lambda: self._step(-1), "one cycle back"),
            "on": self.button("▶", lambda: self._step(1), "one cycle on"),
        }
        player = ipywidgets.HBox([self.play, *self.buttons.values(), self.period])
        self.arrange(self.text, self.cycle, player, self.shown, self.flowing)

    def repaint(self) -> str:
        t, recording = self.cycle.value, self.recording
        self.picture.svg = recording.circuit(t)
        self.curves.value = recording.curves(t)
        self.shown.value = f'<div style="font-family: monospace; font-size: 15px">{recording.cursor(t)}</div>'
        rows = "".join(
            f"<tr><td>{html.escape(port)}</td><td><code>{html.escape(v)}</code></td></tr>" for port, v in recording.values(t)
        )
        self.flowing.value = f"<table>{rows}</table>" if rows else "<p>nothing flows</p>"
        return recording.note

    def drawing(self) -> Drawing:
        return circuit(self.machine, hide=idle_neurons(self.machine))

    def save(self, path: Path) -> Path:
        if path.suffix != ".svg":
            return super().save(path)
        write_text(path, self.picture.svg)  # with what flows
        return path

    def still(self) -> list[str]:
        return [self.recording.circuit(self.cycle.value), self.recording.curves(self.cycle.value)]

    def _stepped(self) -> None:
        self.repaint()  # and whatever was said stays to be read, while the film runs

    def _step(self, by: int) -> None:
        self.cycle.value = min(max(0, self.cycle.value + by), self.cycle.max)

    def _record(self) -> object:
        self.recording = recording = self._recorded()
        self.move(self.cycle, min(self.cycle.value, recording.cycles - 1))
        self.play.max = self.cycle.max = recording.cycles - 1
        return self.repaint()


class MachineEditor(Stepping):
    """Turns the weights of a small machine while it runs on a string.

    Args:
        machine: what runs; of no more than 40 soft links.
        text: what it reads.
        period: cycles from one character to the next.
        problem: has the targets, if they are to be shown.
        figures: the folder for what is exported, made when needed; ``.json`` writes the machine.

    Raises :class:`~dmmlab.core.errors.LabError` for a machine without soft links, or with too many.
    """

    def __init__(
        self,
        machine: Machine,
        text: str = "test string.",
        period: int = 10,
        problem: Problem | None = None,
        figures: str | os.PathLike = "figures",
    ):
        if not 0 < machine.count() <= MOST_SLIDERS:
            raise LabError(f"{machine.count()} soft links: the editor has sliders for 1 to {MOST_SLIDERS}")
        super().__init__(machine, text, period, problem, figures, "edited.svg")
        self.before = machine
        self.weights = {}
        for link in sorted((link for link in machine.links() if not link.hard), key=lambda link: link[:4]):
            reach = max(2.0, math.ceil(2 * abs(link.weight)))
            slider = ipywidgets.FloatSlider(
                value=link.weight, min=-reach, max=reach, step=0.01, description=str(link), style={"description_width": "270px"}
            )
            slider.layout = Layout(width="560px", height="24px")
            self.weights[link] = slider
            self.on_change(slider, self._turned)
        sliders = ipywidgets.VBox(list(self.weights.values()), layout=Layout(max_height="280px", overflow="auto"))
        reset = self.button("reset", self._reset, "the weights that it began with")
        self.buttons = {"reset": reset}
        self.arrange(self.text, ipywidgets.HBox([self.period, reset]), sliders, width="585px")

    def repaint(self) -> str:
        self.picture.svg = inline(self.drawing())
        self.curves.value = self.recording.curves()
        error = self.recording.error
        rows = {"links": str(self.machine.count())}
        self.measures.value = table(rows if error is None else {**rows, "largest error on this string": f"{error:.3g}"})
        return self.recording.note if self.machine.count() else "all links are cut: the machine answers nothing"

    def drawing(self) -> Drawing:
        return circuit(self.machine, cut=self.before, hide=idle_neurons(self.before))

    def save(self, path: Path) -> Path:
        if path.suffix == ".json":
            self.machine.to_json(path)
            return path
        return super().save(path)

    def _turned(self) -> object:
        machine = self.before
        for link, slider in self.weights.items():
            machine = machine.link(f"{link.to_neuron}.{link.to_field}", f"{link.from_neuron}.{link.from_field}", slider.value)
        self.machine = machine
        return self._record()

    def _reset(self) -> object:
        for link, slider in self.weights.items():
            self.move(slider, link.weight)
        return self._turned()
