"""Explorers of a machine that runs on a string: one steps through cycles, one edits weights.

:class:`dmmlab.explorers.recording.Recording` does the work, without a browser.
"""

import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from ipywidgets import Layout

from ..core.errors import LabError
from ..core.files import write_text
from ..core.machine import Link, Machine
from ..core.streams import Stream
from ..drawing.circuits import circuit, idle_neurons
from ..drawing.graphviz_drawing import Drawing
from ..problems.problems import Problem
from ..search.synthesis_result import Synthesis
from .explorer import RUN_IT, WIDE, Explorer, table
from .recording import Recording
from .run_player import RunPlayer, run_page
from .svg_curves import inline

MOST_SLIDERS = 40
STEP = 0.01  # of a weight's slider


class SteppingExplorer(Explorer):
    """The base class of the stepper and the editor, with a field for the string."""

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
            value=period, min=1, max=100, description="period", layout=Layout(width="135px")
        )
        self.period.style.description_width = "60px"
        self.period.tooltip = "cycles from one character to the next"
        self.recording = self._recorded()
        for knob in (self.text, self.period):
            self.on_change(knob, self._record)

    def _recorded(self) -> Recording:
        return Recording(self.machine, self.text.value, self.period.value, self.problem, repeat_last=self.repeat_last)

    def _record(self) -> object:
        self.recording = self._recorded()
        return self.repaint()


class StreamStepper(SteppingExplorer):
    """Steps through the cycles of a machine that reads a string, and shows the flow on its links.

    Args:
        machine: the machine to run.
        text: the string to read.
        period: cycles from one character to the next.
        problem: provides the targets, if they are to be shown.
        figures: the folder for exports, created when it is needed.
        cycle: the cycle to show first.
        repeat_last: whether the last character repeats until the end.
        streams: the neurons' input instead of ``text``: one stream, or one for each neuron.
        targets: (answers, cycles), right answers instead of the problem's; NaN where nothing is
            asked.
        cycles: the number of cycles; by default, those of the targets, or 20 after the last item's
            turn.

    Raises :class:`~dmmlab.core.errors.LabError` for an invalid run.
    """

    DEAD = (
        "The kernel of this stepper has ended. The run can still be stepped through; to read another string, run the notebook."
    )

    def __init__(
        self,
        machine: Machine,
        text: str = "test string.",
        period: int = 10,
        problem: Problem | None = None,
        figures: str | os.PathLike = "figures",
        cycle: int = 0,
        repeat_last: bool = True,
        *,
        streams: Stream | Mapping[str, Stream] | None = None,
        targets: np.ndarray | None = None,
        cycles: int | None = None,
    ):
        self.first = None
        if streams is not None or targets is not None or cycles is not None:
            self.first = Recording(
                machine, text, period, problem, cycles, repeat_last=repeat_last, streams=streams, targets=targets
            )
        super().__init__(machine, text if streams is None else "", period, problem, figures, "stepped.svg", repeat_last)
        if streams is not None:
            self.text.placeholder = "another string to try"
        self.player = RunPlayer()
        self.cycle = min(max(0, cycle), self.recording.cycles - 1)
        self.text.layout, self.file.layout.width, self.file.layout.flex = (
            Layout(flex="1 1 150px", width="auto"),
            "110px",
            "0 1 auto",
        )
        fields = ipywidgets.HBox([self.text, self.period, self.file, self.export_button]).add_class("dmmlab-fields")
        self.frame(fields, self.message, self.player)

    @classmethod
    def at_failure(cls, synthesis: Synthesis, figures: str | os.PathLike = "../figures") -> "StreamStepper":
        """Returns a stepper for the best machine on its counterexample, at the wrong answer.

        Args:
            synthesis: a result that is not exact.
            figures: the folder for exports.

        Returns:
            A stepper that begins in the first cycle with a wrong answer.

        Raises:
            LabError: no counterexample is known.
        """
        found = synthesis.counterexample
        if found is None:
            how = "exact" if synthesis.best.exact else "not exact, but no string was found on which it errs"
            raise LabError(f"{how}: {synthesis.verdict}; StreamStepper(synthesis.machine) steps through any string")
        lost = ~np.isfinite(found.answers).all(axis=0)  # cycles with an answer that is not finite
        cycles = int(np.argmax(lost)) if lost.any() else len(found.items)
        if not cycles:
            raise LabError(
                f"{found}: a number leaves what can be computed in the first cycle, so there is nothing to step through"
            )
        stepper = cls(
            found.machine, problem=synthesis.problem, figures=figures, cycle=found.cycle,
            streams=found.streams, targets=None if found.sample.rows else found.targets, cycles=cycles,
        )  # fmt: skip
        stepper.say(str(found) if cycles > found.cycle else f"{found}; from cycle {cycles} on a number is no longer finite")
        return stepper

    @property
    def cycle(self) -> int:
        """The cycle that is shown."""
        return self.player.cycle

    @cycle.setter
    def cycle(self, t: int) -> None:
        self.player.cycle = min(max(0, t), self.recording.cycles - 1)

    def repaint(self) -> str:
        self.player.show(self.recording, self.cycle)
        return self.recording.note

    def drawing(self) -> Drawing:
        return circuit(self.machine, hide=idle_neurons(self.machine))

    def save(self, path: Path) -> Path:
        if path.suffix != ".svg":
            return super().save(path)
        write_text(path, self.recording.circuit(self.cycle))  # with the flow
        return path

    def _page(self) -> str:
        return run_page(self.recording, self.cycle, self.still_id, f"To read another string, {RUN_IT}")

    def _recorded(self) -> Recording:
        if self.first is not None and not self.text.value:
            return self.first
        return super()._recorded()

    def _record(self) -> object:
        self.recording = self._recorded()
        self.cycle = self.cycle  # limited to the new run
        return self.repaint()


class MachineEditor(SteppingExplorer):
    """Edits the weights of a small machine with sliders while it runs on a string.

    A click on a link brings its slider into view, and touching a slider marks its link.

    Args:
        machine: the machine to run, with at most 40 soft links.
        text: the string to read.
        period: cycles from one character to the next.
        problem: provides the targets, if they are to be shown.
        figures: the folder for exports, created when needed; ``.json`` writes the machine.

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
        self.weights: dict[Link, ipywidgets.FloatSlider] = {}
        self.now: dict[Link, float] = {}
        for link in sorted((link for link in machine.links() if not link.hard), key=lambda link: link[:4]):
            reach = max(2.0, math.ceil(2 * abs(link.weight)))
            slider = ipywidgets.FloatSlider(
                value=link.weight, min=-reach, max=reach, step=STEP, description=str(link), style={"description_width": "auto"}
            )
            slider.layout = Layout(width="auto")
            self.weights[link], self.now[link] = slider, link.weight
            self.on_change(slider, partial(self._turned, link))
        sliders = ipywidgets.VBox(list(self.weights.values())).add_class("dmmlab-sliders")
        reset = self.button("reset", self._reset, "the weights that it began with")
        self.buttons = {"reset": reset}
        self.arrange(self.text, ipywidgets.HBox([self.period, reset]), sliders)
        self.picture.on_pick(lambda name: setattr(self.picture, "picked", name))

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

    def _turned(self, link: Link) -> object:
        weight = round(self.weights[link].value, 9)
        # A browser rounds a value to a slider's steps, and sends it back unasked.
        if abs(weight - self.now[link]) < STEP / 2:
            return None
        self.now[link] = weight
        self.picture.picked = str(link)
        return self._rebuilt()

    def _reset(self) -> object:
        for link, slider in self.weights.items():
            self.now[link] = link.weight
            self.move(slider, link.weight)
        return self._rebuilt()

    def _rebuilt(self) -> object:
        machine = self.before
        for link, weight in self.now.items():
            machine = machine.link(f"{link.to_neuron}.{link.to_field}", f"{link.from_neuron}.{link.from_field}", weight)
        self.machine = machine
        return self._record()
