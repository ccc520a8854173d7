"""The explorer of a training: start, pause, turn knobs while it runs, cut, go back.

The training runs in a thread, so that the notebook's other cells can be used meanwhile.
:class:`dmmlab.learning.session.TrainingSession` records what is done; it needs no browser.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets
from ipywidgets import Layout

from ..compiler.weights import Weights
from ..core.errors import LabError
from ..drawing.bundles import bundle
from ..drawing.circuits import circuit, idle_neurons
from ..drawing.graphviz_drawing import Drawing
from ..learning.session import TrainingSession
from ..synthesis.tasks import Task
from .explorer import WIDE, Explorer, table
from .pruning_session import READABLE
from .svg_curves import inline, loss_curve

MOST_STEPS = 100_000  # before it pauses by itself
RUNNING: "weakref.WeakSet[TrainingExplorer]" = weakref.WeakSet()  # one at a time


class TrainingExplorer(Explorer):
    """Trains a network while the reader looks on: learning rate, L1, cuts, checkpoints.

    All that is done is recorded. ``training.schedule`` is the record, and
    :func:`dmmlab.learning.session.replay_schedule` does it again. Exporting ``NAME.json`` writes
    it.

    Args:
        task: the links, and the strings to learn from.
        weights: where to begin, a matrix for each stage.
        learning_rate: of Adam.
        figures: the folder for what is exported, made when it is needed.
    """

    def __init__(self, task: Task, weights: Weights, learning_rate: float = 1e-2, figures: str | os.PathLike = "figures"):
        super().__init__(figures, "schedule.json")
        for other in list(RUNNING):  # perhaps of the same cell, which is run once more
            other.pause()
        self.training = TrainingSession(task.descent(), task.batch, weights, learning_rate)
        self._lock, self._going = threading.RLock(), threading.Event()
        self._thread: threading.Thread | None = None
        self.start = self.button("start", self._start_or_pause)
        self.learning_rate = ipywidgets.FloatLogSlider(
            value=learning_rate, min=-5, max=-1, step=0.1, description="rate", layout=WIDE
        )
        self.l1 = ipywidgets.FloatLogSlider(
            value=1e-7, min=-7, max=-2, step=0.1, description="L1", readout_format=".1e", layout=WIDE
        )
        for knob, act in ((self.learning_rate, self.training.set_learning_rate), (self.l1, self.training.set_l1)):
            knob.continuous_update = False
            self.on_change(knob, partial(self._turn, knob, act))
        self.smallest = ipywidgets.BoundedIntText(value=10, min=1, max=100_000, layout=Layout(width="90px"))
        self.checkpoint = ipywidgets.Dropdown(options=[], layout=Layout(width="90px"))
        self.buttons = {
            "cut": self.button("cut the smallest", lambda: self._locked(lambda: self.training.cut(self.smallest.value))),
            "keep": self.button("checkpoint", self._keep),
            "back": self.button("back to", self._back),
        }
        cutting = ipywidgets.HBox([self.start, self.buttons["cut"], self.smallest])
        keeping = ipywidgets.HBox([self.buttons["keep"], self.buttons["back"], self.checkpoint])
        self.arrange(cutting, self.learning_rate, self.l1, keeping)

    def repaint(self) -> str:
        with self._lock:
            training = self.training
            if threading.current_thread() is not self._thread:  # whoever turns a knob is not to find it turned back
                self._show_knobs()
            losses, cuts, links, steps = list(training.losses), list(training.cuts), training.links, training.steps
            self.picture.svg = inline(self.drawing())
        self._show_measures(losses, cuts, links, steps)
        return "" if links else "all links are cut or driven to zero: go back to a checkpoint"

    def drawing(self) -> Drawing:
        machine = self.training.machine
        hide = idle_neurons(machine)
        return bundle(machine, hide=hide) if machine.count() > READABLE else circuit(machine, hide=hide)

    def save(self, path: Path) -> Path:
        with self._lock:
            if path.suffix == ".json":
                self.training.save_schedule(path)
                return path
            return super().save(path)

    def pause(self) -> None:
        """Stops after the steps that are under way."""
        self._going.clear()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        self._show_knobs()

    def close(self) -> None:
        self._going.clear()
        super().close()

    def _show_knobs(self) -> None:
        """The knobs as the training has them, which may have been set in Python."""
        training, checkpoints = self.training, list(range(1, self.training.checkpoints + 1))
        self.move(self.learning_rate, min(max(training.learning_rate, 10**self.learning_rate.min), 10**self.learning_rate.max))
        self.move(self.l1, min(max(training.l1, 10**self.l1.min), 10**self.l1.max))
        if list(self.checkpoint.options) != checkpoints:
            self.checkpoint.options = checkpoints
            self.checkpoint.value = checkpoints[-1]
        if not self._going.is_set():
            self.start.description = "resume" if training.steps else "start"

    def _show_measures(self, losses: list, cuts: list[int], links: int, steps: int) -> None:
        self.measures.value = table({"steps": f"{steps:,}", "links": f"{links:,}", "loss": f"{losses[-1][1]:.3g}"})
        self.curves.value = loss_curve(losses, cuts)

    def _start_or_pause(self) -> str:
        if self._going.is_set():
            self.pause()
            return self.repaint()
        for other in list(RUNNING):
            other.pause()
        RUNNING.add(self)
        self._going.set()
        self.start.description = "pause"
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()
        return ""

    def _train(self) -> None:
        """What the thread does: some steps, a look, some steps."""
        end, shown = self.training.steps + MOST_STEPS, 0.0
        try:
            while self._going.is_set() and self.training.steps < end:
                with self._lock:
                    self.training.advance(50)
                if time.monotonic() - shown > 0.4:
                    self.repaint()
                    shown = time.monotonic()
                time.sleep(0.002)  # whoever waits for the lock has a turn
            self.repaint()
            self.say(f"paused after {MOST_STEPS:,} steps" if self.training.steps >= end else "")
        except LabError as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"{type(error).__name__}: {error}")
        finally:
            self._going.clear()
            RUNNING.discard(self)
            self.start.description = "resume"

    def _turn(self, knob: ipywidgets.FloatLogSlider, act: Callable[[float], None]) -> str:
        lowest = knob is self.l1 and knob.value <= 10**knob.min * 1.0001  # the left end of a logarithmic slider: no L1
        return self._locked(lambda: act(0.0 if lowest else knob.value))

    def _locked(self, act: Callable[[], object]) -> str:
        with self._lock:
            act()
        return self.repaint()

    def _keep(self) -> str:
        with self._lock:
            number = self.training.checkpoint()
        self._show_knobs()
        return f"checkpoint {number}: {self.training.links} links, loss {self.training.losses[-1][1]:.3g}"

    def _back(self) -> str:
        if self.checkpoint.value is None:
            raise LabError("there is no checkpoint to go back to")
        return self._locked(lambda: self.training.back(self.checkpoint.value))
