"""The explorer of a training: start, pause, turn knobs while it runs, cut links, go back.

The training runs in a thread, so that the notebook's other cells can be used meanwhile.
:class:`dmmlab.learning.session.TrainingSession` records all actions, without a browser.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import ipywidgets
from ipywidgets import Layout

from ..compiler.weights import Weights
from ..core.errors import LabError
from ..core.machine import Machine
from ..drawing.bundles import READABLE, circuit_or_bundle
from ..drawing.graphviz_drawing import Drawing
from ..learning.session import TrainingSession
from ..pruning.tasks import Task
from .explorer import NARROW, WIDE, Explorer, table
from .svg_curves import inline, loss_curve

MOST_STEPS = 100_000  # before it pauses automatically
REFRESH, TEST = 0.4, 3.0  # seconds between two pictures, and between two validation tests, while it runs
PENALTIES = [0.0, *(float(f"{10 ** (k / 10):.2g}") for k in range(-80, -19))]  # of L1
RUNNING: "weakref.WeakSet[TrainingExplorer]" = weakref.WeakSet()  # one at a time


class TrainingExplorer(Explorer):
    """Trains a network interactively: learning rate, L1, cuts, checkpoints.

    All actions are recorded. ``training.schedule`` is the record, and
    :func:`dmmlab.learning.session.replay_schedule` repeats them. Exporting ``NAME.json`` writes the
    record.

    Args:
        task: the links, and the training strings.
        weights: the initial weights, a matrix for each stage.
        learning_rate: the learning rate of Adam.
        figures: the folder for exports, created when it is needed.
    """

    def __init__(self, task: Task, weights: Weights, learning_rate: float = 1e-2, figures: str | os.PathLike = "figures"):
        super().__init__(figures, "schedule.json")
        for other in list(RUNNING):  # perhaps from an earlier run of the same cell
            other.pause()
        self.training, self.task = TrainingSession(task.descent(), task.batch, weights, learning_rate), task
        self._lock, self._going = threading.RLock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._plan: Machine | None = None  # determines the layout of the circuit, so that neurons keep their places
        self._tested, self._when_tested = (-1, -1, ""), 0.0
        self.start = self.button("start", self._start_or_pause)
        self.learning_rate = ipywidgets.FloatLogSlider(
            value=learning_rate, min=-5, max=-1, step=0.1, description="rate", layout=WIDE
        )
        self.l1 = ipywidgets.SelectionSlider(options=_named(PENALTIES), description="L1", layout=WIDE)
        for knob, act in ((self.learning_rate, self.training.set_learning_rate), (self.l1, self.training.set_l1)):
            knob.continuous_update = False
            self.on_change(knob, partial(self._turn, knob, act))
        self.learning_rate.tooltip, self.l1.tooltip = "the learning rate of Adam", "the penalty on the sum of |weight|"
        self.smallest = ipywidgets.BoundedIntText(value=10, min=1, max=100_000, layout=Layout(width="70px"))
        self.checkpoint = ipywidgets.Dropdown(options=[], layout=Layout(width="205px"))
        self.show_cut = ipywidgets.Checkbox(value=True, description="show what is cut", indent=False, layout=NARROW)
        self.on_change(self.show_cut, self.repaint)
        self.buttons = {
            "cut": self.button(
                "cut the smallest",
                lambda: self._locked(lambda: self.training.cut(self.smallest.value)),
                "cut so many links, those with the smallest weights; a checkpoint is kept before",
            ),
            "undo": self.button("undo", self._undo, "take the last cut back, with what was trained since"),
            "keep": self.button("checkpoint", self._keep, "keep these weights, to come back to them"),
            "back": self.button("back to", self._back, "take the weights of this checkpoint"),
        }
        cutting = ipywidgets.HBox([self.start, self.buttons["cut"], self.smallest])
        keeping = ipywidgets.HBox([self.buttons["back"], self.checkpoint])
        options = ipywidgets.HBox([self.buttons["undo"], self.buttons["keep"], self.show_cut])
        self.arrange(cutting, self.learning_rate, self.l1, options, keeping)

    def repaint(self) -> str:
        with self._lock:
            training = self.training
            if threading.current_thread() is not self._thread:  # the thread must not reset a knob that a person turns
                self._show_knobs()
            losses, links, steps = list(training.losses), training.links, training.steps
            cuts, returns = list(training.cuts), list(training.returns)
            machine = training.machine
            self.picture.svg = inline(self.drawing())
        self.curves.value = loss_curve(losses, cuts, returns)
        error = self._largest_error(machine, steps, links)
        self.measures.value = table(
            {
                "steps": f"{steps:,}",
                "links": f"{links:,}",
                "loss": f"{losses[-1][1]:.3g}",
                "largest error on validation strings": error,
            }
        )
        return "" if links else "all links are cut or driven to zero: undo, or go back to a checkpoint"

    def drawing(self) -> Drawing:
        machine, whole = self.training.machine, self.task.compiled.machine
        if machine.count() > READABLE:
            self._plan = None
        elif self._plan is None or not _links(machine) <= _links(self._plan):
            self._plan = machine
        return circuit_or_bundle(machine, whole, self._plan if self.show_cut.value else None)

    def save(self, path: Path) -> Path:
        with self._lock:
            if path.suffix == ".json":
                self.training.save_schedule(path)
                return path
            return super().save(path)

    def pause(self) -> None:
        """Pauses after the current steps."""
        self._going.clear()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self.renew_still()
        self._show_knobs()

    def close(self) -> None:
        self._going.clear()
        super().close()

    def _show_knobs(self) -> None:
        """Sets the knobs to the training's values, which may have been set in Python."""
        training = self.training
        checkpoints = [(f"{i}: {each}", i) for i, each in enumerate(training.checkpoints, start=1)]
        self.move(self.learning_rate, min(max(training.learning_rate, 10**self.learning_rate.min), 10**self.learning_rate.max))
        self.move(self.l1, training.l1, _named(sorted({*PENALTIES, training.l1})))
        if list(self.checkpoint.options) != checkpoints:
            self.move(self.checkpoint, len(checkpoints), checkpoints)
        if not self._going.is_set():
            self.start.description = "resume" if training.steps else "start"

    def _largest_error(self, machine: Machine, steps: int, links: int) -> str:
        """Returns the largest error on validation strings; seconds old while training runs."""
        now = time.monotonic()
        if self._tested[:2] != (steps, links) and (not self._going.is_set() or now - self._when_tested > TEST):
            self._tested = (steps, links, f"{self.task.quick_evaluator.max_abs_error(machine):.3g}")
            self._when_tested = time.monotonic()
        return self._tested[2]

    def _start_or_pause(self) -> str | None:
        if self._going.is_set():
            self.pause()
            return self.repaint()
        for other in list(RUNNING):
            other.pause()
        RUNNING.add(self)
        self._going.set()
        self.start.description = "pause"
        self.say("" if self.training.steps else "compiling, which takes some seconds")  # before any message of the thread
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()
        return None

    def _train(self) -> None:
        """Runs in the thread: trains some steps, repaints, and repeats."""
        end, shown = self.training.steps + MOST_STEPS, 0.0
        try:
            while self._going.is_set() and self.training.steps < end:
                with self._lock:
                    self.training.advance(50)
                if not shown:
                    self.say("")
                if time.monotonic() - shown > REFRESH:
                    self.repaint()
                    shown = time.monotonic()
                time.sleep(0.002)  # lets another thread take the lock
            self.repaint()
            if self.training.steps >= end:
                self.say(f"paused after {MOST_STEPS:,} steps")
        except LabError as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"{type(error).__name__}: {error}")
        finally:
            self._going.clear()
            RUNNING.discard(self)
            self.start.description = "resume"

    def _turn(self, knob: ipywidgets.Widget, act: Callable[[float], None]) -> str | None:
        # The browser may send a knob's last move after the next click: the click's message stays.
        return self._locked(lambda: act(knob.value)) or None

    def _locked(self, act: Callable[[], object]) -> str:
        with self._lock:
            act()
        return self.repaint()

    def _keep(self) -> str:
        with self._lock:
            number = self.training.checkpoint()
            self._show_knobs()
        return f"checkpoint {number}: {self.training.checkpoints[-1]}"

    def _back(self) -> str:
        number = self.checkpoint.value
        if number is None:
            raise LabError("there is no checkpoint to go back to")
        said = self._locked(lambda: self.training.back(number))
        return said or f"back at checkpoint {number}: {self.training.checkpoints[number - 1]}"

    def _undo(self) -> str:
        with self._lock:
            undone = self.training.undo()
        return f"taken back: {undone}. {self.repaint()}".strip()


def _named(penalties: Iterable[float]) -> list[tuple[str, float]]:
    return [(f"{x:.2g}".replace("e-0", "e-"), x) for x in penalties]


def _links(machine: Machine) -> set[tuple]:
    return {link[:4] for link in machine.links()}
